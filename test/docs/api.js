'use strict';

// node test/docs/api.js: writes docs/api.md from the declarations and doc comments of lib/index.d.ts, and nothing else;
// with --print it only says what it would write.
//
// What a reader looks for comes in this order: functions, each with its options; the values a mapper may return; the
// shapes of objects; errors. Inside one of these the order is the declarations'. A field that comes from another shape
// of the page is not repeated but linked.

const fs = require('node:fs');
const path = require('node:path');
const prettier = require('prettier');
const ts = require('typescript');

const DECLARATIONS = path.join(__dirname, '../../lib/index.d.ts');
const PAGE = path.join(__dirname, '../../docs/api.md');
const HEAD = '<!-- Written by test/docs/api.js from lib/index.d.ts (npm run docs): change that. -->';

const program = ts.createProgram([DECLARATIONS], { lib: ['lib.es2022.d.ts'], types: [] });
const checker = program.getTypeChecker();
const file = program.getSourceFile(DECLARATIONS);

// Declarations

const isExported = (node) => (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Export) !== 0;

/** The exported declarations of a kind by name, in the file's order; a function has one for each of its overloads. */
function exported(isKind) {
  const found = new Map();
  const statements = file.statements.flatMap((node) =>
    ts.isVariableStatement(node) ? node.declarationList.declarations : node,
  );
  for (const node of statements) {
    if (!isKind(node) || !isExported(node)) continue;
    if (!found.has(node.name.text)) found.set(node.name.text, []);
    found.get(node.name.text).push(node);
  }
  return found;
}

const functions = exported(ts.isFunctionDeclaration);
const constants = exported(ts.isVariableDeclaration);
const interfaces = exported(ts.isInterfaceDeclaration);
const aliases = exported(ts.isTypeAliasDeclaration);
const classes = exported(ts.isClassDeclaration);
const names = new Set([functions, constants, interfaces, aliases, classes].flatMap((of) => [...of.keys()]));

const optionsOf = new Map([...functions].map(([name, overloads]) => [name, optionsType(overloads)]));
const isOptions = (name) => [...optionsOf.values()].includes(name);

/** The name of the type that a function's parameter `options` has. */
function optionsType(overloads) {
  const types = overloads.flatMap(({ parameters }) => parameters).filter(({ name }) => name.text === 'options');
  const named = types.flatMap(({ type }) => (ts.isIntersectionTypeNode(type) ? type.types : type));
  return named.find(ts.isTypeReferenceNode)?.typeName.text;
}

/** The fields of an interface or class, inherited ones after its own: { name, node, owner }. */
function fieldsOf(node) {
  const type = checker.getTypeAtLocation(node.name);
  return checker
    .getPropertiesOfType(type)
    .filter(({ name }) => name !== 'prototype')
    .map(({ name, declarations: [declaration] }) => ({ name, node: declaration, owner: declaration.parent.name.text }));
}

// Doc comments

/** { text, tags: [{ name, of, text }] } of a declaration's comment. */
function docOf(node) {
  const holder = ts.isVariableDeclaration(node) ? node.parent.parent : node;
  const doc = holder.jsDoc?.at(-1);
  const tags = (doc?.tags ?? []).map((tag) => ({
    name: tag.tagName.text,
    of: tag.name?.text,
    text: textOf(tag.comment).replace(/^- /, ''),
  }));
  return { text: textOf(doc?.comment), tags };
}

function textOf(comment) {
  return linked(ts.getTextOfJSDocComment(comment) ?? '').trim();
}

function linked(text) {
  return text.replace(/\{@link (\w+)\}/g, (_all, name) => {
    if (!names.has(name)) throw new Error(`lib/index.d.ts links to ${name}, which it does not export`);
    const target = isOptions(name) ? [...optionsOf].find(([, type]) => type === name)[0] : name;
    return `[\`${name}\`](#${target.toLowerCase()})`;
  });
}

function tagOf(doc, name) {
  return doc.tags.find((tag) => tag.name === name)?.text;
}

// Markdown

const code = (text) => `\`${text.replace(/\s+/g, ' ').replace(/([(<]) | ([)>])(?!=)/g, '$1$2')}\``;
/** A table's cell has one line: no lists, no paragraphs. */
function cell(text) {
  const lists = text.replace(/\n+- /g, '<br>• ').replace(/\n\n/g, '<br>');
  return lists.replace(/\s*\n\s*/g, ' ').replace(/\|/g, '\\|');
}

/** Prettier would pad each cell to the longest. */
function table(head, rows) {
  const lines = [head, head.map(() => '---'), ...rows.map((row) => row.map(cell))];
  return ['<!-- prettier-ignore -->', ...lines.map((cells) => `| ${cells.join(' | ')} |`)].join('\n');
}

/** `undefined` is absent, wherever something may be absent. */
function typeText({ type, questionToken }) {
  const types = ts.isUnionTypeNode(type) ? type.types : [type];
  const kept = types.filter(({ kind }) => questionToken === undefined || kind !== ts.SyntaxKind.UndefinedKeyword);
  const only = kept.length === 1 && ts.isParenthesizedTypeNode(kept[0]) ? kept[0].type : undefined;
  return code(only ? only.getText() : kept.map((one) => one.getText()).join(' | '));
}

function defaultText(node, doc) {
  const given = tagOf(doc, 'defaultValue');
  if (given === undefined) return node.questionToken === undefined ? 'required' : '';
  return given.includes(' ') ? given : code(given);
}

function optionRow({ name, node }) {
  const doc = docOf(node);
  return [code(name), typeText(node), defaultText(node, doc), doc.text];
}

function fieldRow({ name, node }) {
  return [code(name), typeText(node), docOf(node).text];
}

const OPTIONS_HEAD = ['option', 'type', 'default', 'meaning'];
const FIELDS_HEAD = ['field', 'type', 'meaning'];

/** Fields that another shape of the page has are told by a link to it. */
function fieldTable(node, head, row) {
  const fields = fieldsOf(node);
  const isElsewhere = ({ owner }) => owner !== node.name.text && interfaces.has(owner) && !isOptions(owner);
  const elsewhere = [...new Set(fields.filter(isElsewhere).map(({ owner }) => owner))];
  const rows = fields.filter((field) => !isElsewhere(field)).map(row);
  const all = elsewhere.map((name) => `All of [\`${name}\`](#${name.toLowerCase()}), and:`);
  return [...all, table(head, rows)];
}

function optionsSection(name) {
  const type = optionsOf.get(name);
  if (type === undefined) return [];
  const [node] = interfaces.get(type);
  const title = `**Options** (\`${type}\`)`;
  const told = toldBefore(name, node);
  return told === undefined ? [title, ...fieldTable(node, OPTIONS_HEAD, optionRow)] : [`${title}: ${told}.`];
}

/** Options that an earlier function has too, but for one or none of its own. */
function toldBefore(name, node) {
  const own = new Set(fieldsOf(node).map((field) => field.node));
  for (const [earlier, type] of optionsOf) {
    if (earlier === name) return undefined;
    const theirs = type === undefined ? [] : fieldsOf(interfaces.get(type)[0]);
    const others = theirs.filter((field) => !own.has(field.node));
    if (theirs.length - others.length !== own.size || others.length > 1) continue;
    const without = others.length === 0 ? '' : `, without ${code(others[0].name)}`;
    return `those of [\`${earlier}\`](#${earlier.toLowerCase()})${without}`;
  }
  return undefined;
}

const fenced = (text) => `\`\`\`ts\n${text}\n\`\`\``;
const declared = (node) => node.getText().replace(/^export (declare )?/, '');
const heading = (name) => `### \`${name}\``;

function labelled(label, text) {
  if (text === undefined) return [];
  return [`**${label}**${text.startsWith('- ') ? '\n\n' : ' '}${text}`];
}

function functionSection([name, overloads]) {
  const docs = overloads.map(docOf);
  const doc = docs.find(({ text }) => text !== '');
  const params = doc.tags.filter((tag) => tag.name === 'param' && tag.of !== 'options');
  return [
    heading(name),
    doc.text,
    fenced(overloads.map(declared).join('\n')),
    params.map(({ of, text }) => `- \`${of}\`: ${text.replace(/\n/g, '\n  ')}`).join('\n'),
    ...labelled('Resolves with', tagOf(doc, 'returns')),
    ...labelled('Rejects with', tagOf(doc, 'throws')?.replace(/^\(as a rejection\)\s*/, '')),
    ...optionsSection(name),
    ...example(doc),
  ];
}

function example(doc) {
  const text = tagOf(doc, 'example');
  return text === undefined ? [] : [text];
}

function constantSection([name, [node]]) {
  const doc = docOf(node);
  return [heading(name), doc.text, ...example(doc)];
}

function interfaceSection([name, [node]]) {
  const doc = docOf(node);
  const isGiven = fieldsOf(node).some((field) => tagOf(docOf(field.node), 'defaultValue') !== undefined);
  const rows = isGiven ? fieldTable(node, OPTIONS_HEAD, optionRow) : fieldTable(node, FIELDS_HEAD, fieldRow);
  return [heading(name), doc.text, ...rows, ...example(doc)];
}

function aliasSection([name, [node]]) {
  return [heading(name), docOf(node).text, fenced(declared(node))];
}

function classSection([name, [node]]) {
  const doc = docOf(node);
  const constructor = node.members.find(ts.isConstructorDeclaration);
  const isPublic = constructor !== undefined && ts.getCombinedModifierFlags(constructor) === 0;
  const made = isPublic ? [fenced(`new ${name}${constructor.getText().replace(/^constructor/, '')}`)] : [];
  const own = fieldsOf(node).filter(({ owner }) => owner === name);
  return [
    heading(name),
    doc.text,
    ...made.map(withoutSemicolon),
    table(FIELDS_HEAD, own.map(fieldRow)),
    ...example(doc),
  ];
}

const withoutSemicolon = (text) => text.replace(/;(?=\n```$)/, '');

function page() {
  const intro = docOf({ jsDoc: [file.statements[0].jsDoc[0]], kind: file.kind });
  const shapes = [...interfaces].filter(([name]) => !isOptions(name));
  const sections = [
    ['Functions', [...functions], functionSection],
    ['What a mapper may return', [...constants], constantSection],
    ['Shapes', [...shapes, ...aliases], (entry) => (aliases.has(entry[0]) ? aliasSection : interfaceSection)(entry)],
    ['Errors', [...classes], classSection],
  ];
  const toEach = (entries) => entries.map(([name]) => `[\`${name}\`](#${name.toLowerCase()})`).join(', ');
  return [
    HEAD,
    '# API',
    intro.text,
    sections.map(([title, entries]) => `- ${title}: ${toEach(entries)}`).join('\n'),
    ...sections.flatMap(([title, entries, section]) => [`## ${title}`, ...entries.flatMap(section)]),
  ].join('\n\n');
}

/** The examples of the whole file by what they are of: { name, code }. */
function examples() {
  const found = [];
  for (const [name, nodes] of [...functions, ...constants, ...interfaces, ...aliases, ...classes]) {
    for (const tag of nodes.flatMap((node) => docOf(node).tags)) {
      if (tag.name === 'example') found.push({ name, code: tag.text.match(/^```js\n([^]*)\n```$/)[1] });
    }
  }
  return found;
}

async function generate() {
  return prettier.format(page(), { ...(await prettier.resolveConfig(PAGE)), filepath: PAGE });
}

async function main() {
  const text = await generate();
  if (process.argv[2] === '--print') process.stdout.write(text);
  else fs.writeFileSync(PAGE, text);
}

if (require.main === module) main();

module.exports = {
  examples,
  functions: [...functions.keys()],
  values: [functions, constants, classes].flatMap((of) => [...of.keys()]),
};
