'use strict';

// Where the URLs come from. Arguments and a file are known at once, so a wrong line is reported before anything is
// fetched, and the total is known; standard input is read only as fast as it is fetched.

const { readFile } = require('node:fs/promises');
const { createInterface } = require('node:readline');
const { UsageError } = require('./cli');

const STDIN = '-';

/** The URL a line holds, undefined for a blank line or a comment. */
function urlOf(line, place) {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return undefined;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`${place}: '${text}' is not a http or https URL`);
  }
  if (url.username || url.password) throw new UsageError(`${place}: fetch takes no user name or password in a URL`);
  return text;
}

async function fromFile(file) {
  let text;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read the URLs: ${error.message}`);
  }
  return text.split('\n').flatMap((line, at) => urlOf(line, `${file}, line ${at + 1}`) ?? []);
}

async function* fromStdin(before) {
  yield* before;
  let at = 0;
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const url = urlOf(line, `standard input, line ${++at}`);
    if (url !== undefined) yield url;
  }
}

/** The URLs as an array where they are all known, otherwise as an async iterable. */
async function openSource({ urls, input }) {
  const given = urls.filter((url) => url !== STDIN).flatMap((url) => urlOf(url, 'argument') ?? []);
  const known = input === undefined || input === STDIN ? given : [...given, ...(await fromFile(input))];
  return urls.includes(STDIN) || input === STDIN ? fromStdin(known) : known;
}

module.exports = { openSource };
