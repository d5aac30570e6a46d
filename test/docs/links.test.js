'use strict';

// What the pages say of files: each link leads somewhere, and each path that is named is there.

const assert = require('node:assert/strict');
const { existsSync, readdirSync, readFileSync } = require('node:fs');
const { dirname, join, relative } = require('node:path');

const ROOT = join(__dirname, '../..');
const PAGES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => join('docs', name))].filter((name) =>
  name.endsWith('.md'),
);
const LINK = /\]\((?!https?:)([^#)\s]*)(?:#([^)\s]*))?\)/g;
const PATH = /`((?:docs|examples|lib|src|test)\/[^`*\s]*)`/g;

const read = (name) => readFileSync(join(ROOT, name), 'utf8');
const withoutCode = (text) => text.replace(/^```.*?^```$/gms, '');

/** The names under which the headings of a page can be linked to. */
function anchorsOf(text) {
  const headings = [...withoutCode(text).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading.toLowerCase());
  return headings.map((heading) => heading.replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'));
}

/** What is wrong with a link from this page, in words. */
function mistakeIn(page, file, anchor) {
  const target = file === '' ? page : relative(ROOT, join(ROOT, dirname(page), file));
  if (!existsSync(join(ROOT, target))) return `there is no ${target}`;
  if (anchor !== undefined && !anchorsOf(read(target)).includes(anchor)) return `${target} has no #${anchor}`;
  return null;
}

describe('the links', () => {
  for (const page of PAGES) {
    it(`of ${page} lead somewhere, and the files that it names are there`, () => {
      const text = withoutCode(read(page));
      const links = [...text.matchAll(LINK)].map(([, file, anchor]) => mistakeIn(page, file, anchor));
      const paths = [...text.matchAll(PATH)].filter(([, path]) => !existsSync(join(ROOT, path)));
      assert.deepEqual([...links, ...paths.map(([, path]) => `there is no ${path}`)].filter(Boolean), []);
    });
  }
});
