'use strict';

// node test/docs/api.js: writes docs/api.md from the declarations and doc comments of lib/index.d.ts, and nothing else;
// with --print it only says what it would write.
//
// The file's lines `// # Title` are the page's sections; what a reader looks for first comes first (SECTIONS). Inside a
// section stand the functions and classes, each with its options, then the shapes of objects, all in the declarations'
// order. A field that comes from another shape of the page is not repeated but linked.

const fs = require('node:fs');
const path = require('node:path');
const prettier = require('prettier');
const ts = require('typescript');

const DECLARATIONS = path.join(__dirname, '../../lib/index.d.ts');
const PAGE = path.join(__dirname, '../../docs/api.md');
const HEAD = '<!-- Written by test/docs/api.js from lib/index.d.ts (npm run docs): change that. -->';

const SECTIONS = [
  'Many items',
  'One piece of work',
  'Streams',
  'Coordination',
  'Structured concurrency',
  'Observability',
  'What a mapper may return',
  'Shapes',
  'Errors',
];

const LIB = ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'];
const program = ts.createProgram([DECLARATIONS], { lib: LIB, types: [] });
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

/** The section that a declaration stands in. */
function sectionOf(node) {
  const titles = [...file.text.slice(0, node.getStart()).matchAll(/^\/\/ # (.+)$/gm)];
  const title = titles.at(-1)?.[1];
  if (!SECTIONS.includes(title)) throw new Error(`"// # ${title}" in lib/index.d.ts is not in SECTIONS of api.js`);
  return title;
}

/** What is called with options: functions, constructors and methods, { title, type }. */
const callables = [
  ...[...functions].map(([name, overloads]) => callable(name, overloads)),
  ...[...classes, ...interfaces].flatMap(([name, [node]]) => [
    callable(name, node.members.filter(ts.isConstructorDeclaration)),
    ...[...methodsOf(node)].map(([title, overloads]) => callable(title, overloads)),
  ]),
];
const isOptions = (name) => callables.some(({ type }) => type === name);

function callable(title, overloads) {
  return { title, type: optionsType(overloads) };
}

/** The name of the type that the parameter `options` has. */
function optionsType(overloads) {
  const types = overloads.flatMap(({ parameters }) => parameters).filter(({ name }) => name.text === 'options');
  const named = types.flatMap(({ type }) => (ts.isIntersectionTypeNode(type) ? type.types : type));
  return named.find(ts.isTypeReferenceNode)?.typeName.text;
}

/** The methods of a class or interface by what a caller writes, as `limiter.acquire`; each with its overloads. */
function methodsOf(node) {
  const found = new Map();
  for (const member of node.members) {
    if (!ts.isMethodDeclaration(member) && !ts.isMethodSignature(member)) continue;
    const title = memberTitle(node, member);
    if (!found.has(title)) found.set(title, []);
    found.get(title).push(member);
  }
  return found;
}

function isStatic(member) {
  return (ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Static) !== 0;
}

/** One of a class is called by the last word of its name. */
function memberTitle(node, member) {
  const { name } = member;
  const owner = isStatic(member) ? node.name.text : node.name.text.match(/[A-Z][a-z]+$/)[0].toLowerCase();
  return ts.isComputedPropertyName(name) ? `${owner}${name.getText()}` : `${owner}.${name.getText()}`;
}

/** The fields of an interface or class that this file declares, inherited ones after its own: { name, node, owner }. */
function fieldsOf(node) {
  const type = checker.getTypeAtLocation(node.name);
  return checker
    .getPropertiesOfType(type)
    .map(({ declarations: [declaration] }) => declaration)
    .filter((declaration) => declaration.getSourceFile() === file && isField(declaration))
    .map((declaration) => ({
      name: declaration.name.getText(),
      node: declaration,
      owner: declaration.parent.name.text,
    }));
}

function isField(declaration) {
  const isNamed = declaration.name !== undefined && !ts.isPrivateIdentifier(declaration.name);
  return isNamed && [ts.isPropertySignature, ts.isPropertyDeclaration, ts.isGetAccessor].some((is) => is(declaration));
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

/** The compiler loses the end of a line behind a link. */
function textOf(comment) {
  const parts = typeof comment === 'string' ? [{ text: comment }] : (comment ?? []);
  return parts.map(partText).join('').trim();
}

function partText(part, i, parts) {
  if (!('name' in part)) return part.text;
  const isAtEnd = /^\s/.test(file.text.slice(part.end)) && /^\S/.test(parts[i + 1]?.text ?? '');
  return `${link(part.name.getText())}${isAtEnd ? '\n' : ''}`;
}

function link(name) {
  if (!names.has(name)) throw new Error(`lib/index.d.ts links to ${name}, which it does not export`);
  const of = callables.find(({ type }) => type === name);
  return `[\`${name}\`](#${anchor(of?.title ?? name)})`;
}

/** As GitHub has them. */
function anchor(title) {
  return title.toLowerCase().replace(/[^\w]/g, '');
}

function tagOf(doc, name) {
  return doc.tags.find((tag) => tag.name === name)?.text;
}

function tagsOf(doc, name) {
  return doc.tags.filter((tag) => tag.name === name).map(({ text }) => text);
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
  if (rows.length === 0) return elsewhere.map((name) => `All of ${link(name)}.`);
  return [...elsewhere.map((name) => `All of ${link(name)}, and:`), table(head, rows)];
}

function optionsSection(title) {
  const { type } = callables.find((one) => one.title === title);
  if (type === undefined) return [];
  const [node] = interfaces.get(type);
  const label = `**Options** (\`${type}\`)`;
  const told = toldBefore(title, node);
  if (told === undefined) return [label, ...fieldTable(node, OPTIONS_HEAD, optionRow)];
  if (told.rows.length === 0) return [`${label}: ${told.text}.`];
  return [`${label}: ${told.text}, and:`, table(OPTIONS_HEAD, told.rows.map(optionRow))];
}

// A few options are sooner read than reckoned from others; of many, so few may be taken away.
const MANY = 5;
const MOST_LESS = 2;

/** Options of an earlier function, with some more or a little less, are not told again: { text, rows: what is more }. */
function toldBefore(title, node) {
  const own = fieldsOf(node);
  const before = callables.slice(
    0,
    callables.findIndex((one) => one.title === title),
  );
  for (const earlier of before.filter(({ type }) => type !== undefined)) {
    const theirs = fieldsOf(interfaces.get(earlier.type)[0]);
    const less = theirs.filter((field) => !own.some((other) => other.node === field.node));
    const rows = own.filter((field) => !theirs.some((other) => other.node === field.node));
    const shared = theirs.length - less.length;
    if (shared === 0 || shared < rows.length || less.length > (shared < MANY ? 0 : MOST_LESS)) continue;
    const without = less.length === 0 ? '' : `, without ${less.map(({ name }) => code(name)).join(' and ')}`;
    return { text: `those of [\`${earlier.title}\`](#${anchor(earlier.title)})${without}`, rows };
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
  return [heading(name), ...callSection(name, overloads, overloads.map(declared).join('\n'))];
}

/** What is said of anything that can be called, but for its name. */
function callSection(title, overloads, signature) {
  const docs = overloads.map(docOf);
  const doc = docs.find(({ text, tags }) => text !== '' || tags.length > 0) ?? docs[0];
  return [
    doc.text,
    fenced(signature),
    ...paramsList(doc, title),
    ...labelled(isAwaited(overloads) ? 'Resolves with' : 'Returns', tagOf(doc, 'returns')),
    ...thrown(doc),
    ...optionsSection(title),
    ...example(doc),
  ];
}

const isAwaited = ([{ type }]) => type?.getText().startsWith('Promise<') ?? false;

/** Options that have a table are told there. */
function paramsList(doc, title) {
  const { type } = callables.find((one) => one.title === title);
  const params = doc.tags.filter((tag) => tag.name === 'param' && (type === undefined || tag.of !== 'options'));
  return params.length === 0
    ? []
    : [params.map(({ of, text }) => `- \`${of}\`: ${text.replace(/\n/g, '\n  ')}`).join('\n')];
}

/** `@throws (as a rejection) …` is a rejection; `(from the loop)` or the like says where else it comes out. */
function thrown(doc) {
  return tagsOf(doc, 'throws').flatMap((text) => {
    const [, where, what] = text.match(/^(?:\(([^)]+)\)\s*)?([^]*)$/);
    if (where === 'as a rejection') return labelled('Rejects with', what);
    return labelled(where === undefined ? 'Throws' : `Throws ${where}`, what);
  });
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
  const fields = fieldsOf(node);
  const isGiven = fields.some((field) => tagOf(docOf(field.node), 'defaultValue') !== undefined);
  const rows = isGiven ? fieldTable(node, OPTIONS_HEAD, optionRow) : fieldTable(node, FIELDS_HEAD, fieldRow);
  const own = fields.length === 0 ? [] : rows;
  return [heading(name), doc.text, ...inherited(node), ...example(doc), ...own, ...methodSections(node)];
}

/** The one that comes from elsewhere: a class of this file is linked, what comes from the language is named. */
function inherited(node) {
  const [base] = (node.heritageClauses ?? []).flatMap(({ types }) => types);
  if (base === undefined || interfaces.has(base.expression.getText()) || sectionOf(node) === 'Errors') return [];
  const name = base.expression.getText();
  return [`${names.has(name) ? `All of ${link(name)}` : `An ${code(base.getText())}`}, and:`];
}

function aliasSection([name, [node]]) {
  return [heading(name), docOf(node).text, fenced(declared(node))];
}

function classSection([name, [node]]) {
  const doc = docOf(node);
  const constructor = node.members.find(ts.isConstructorDeclaration);
  const isPublic = ts.getCombinedModifierFlags(constructor) === 0;
  const own = fieldsOf(node).filter(({ owner }) => owner === name);
  const label = isPublic ? ['**Properties**'] : [];
  const fields = own.length === 0 ? [] : [...label, table(FIELDS_HEAD, own.map(fieldRow))];
  return [
    heading(name),
    doc.text,
    ...example(doc),
    ...(isPublic ? constructorSection(node, constructor) : []),
    ...inherited(node),
    ...fields,
    ...methodSections(node),
  ];
}

function constructorSection(node, constructor) {
  const name = node.name.text;
  const of = (node.typeParameters ?? []).map((one) => one.getText()).join(', ');
  const call = withoutSemicolon(constructor).replace(/^constructor/, '');
  return callSection(name, [constructor], `new ${name}${of && `<${of}>`}${call}`);
}

const withoutSemicolon = (node) => node.getText().replace(/;$/, '');

function methodSections(node) {
  return [...methodsOf(node)].flatMap(([title, overloads]) => [
    `#### \`${title}\``,
    ...callSection(title, overloads, overloads.map(withoutSemicolon).join('\n')),
  ]);
}

const isShape = ([name]) => interfaces.has(name) || aliases.has(name);
const isValue = ([name]) => !isShape([name]);

/** What each section tells of, values before shapes: [name, declarations][]. */
function sections() {
  const all = [functions, classes, constants, interfaces, aliases].flatMap((of) => [...of]);
  const told = all.filter(([name]) => !isOptions(name)).sort(([, [one]], [, [other]]) => one.pos - other.pos);
  return SECTIONS.map((title) => {
    const entries = told.filter(([, [node]]) => sectionOf(node) === title);
    return [title, [...entries.filter(isValue), ...entries.filter(isShape)]];
  });
}

function section(entry) {
  const [name] = entry;
  if (functions.has(name)) return functionSection(entry);
  if (classes.has(name)) return classSection(entry);
  if (constants.has(name)) return constantSection(entry);
  return interfaces.has(name) ? interfaceSection(entry) : aliasSection(entry);
}

function page() {
  const intro = docOf({ jsDoc: [file.statements[0].jsDoc[0]], kind: file.kind });
  const all = sections();
  return [
    HEAD,
    '# API',
    intro.text,
    all.map(contents).join('\n'),
    ...all.flatMap(([title, entries]) => [`## ${title}`, ...entries.flatMap(section)]),
  ].join('\n\n');
}

function contents([title, entries]) {
  const toEach = (some) => some.map(([name]) => link(name)).join(', ');
  const values = toEach(entries.filter(isValue));
  const shapes = toEach(entries.filter(isShape));
  return `- ${title}: ${[values, shapes].filter((text) => text !== '').join('; shapes: ')}`;
}

/** The examples of the whole file by what they are of: { name, code }. */
function examples() {
  const found = [];
  for (const [name, nodes] of [...functions, ...constants, ...interfaces, ...aliases, ...classes]) {
    const members = nodes.flatMap((node) => node.members ?? []);
    for (const tag of [...nodes, ...members].flatMap((node) => docOf(node).tags)) {
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

/** The names of a class's members, inherited ones too; a static one is called by its class. */
function membersOf(name) {
  const [node] = classes.get(name);
  const named = node.members.filter((member) => member.name !== undefined && !ts.isPrivateIdentifier(member.name));
  const own = named.map((member) => `${isStatic(member) ? `${name}.` : ''}${member.name.getText()}`);
  const [base] = node.heritageClauses?.[0].types.map(({ expression }) => expression.getText()) ?? [];
  return [...new Set([...own, ...(classes.has(base) ? membersOf(base) : [])])];
}

module.exports = {
  examples,
  members: Object.fromEntries([...classes.keys()].map((name) => [name, membersOf(name)])),
  values: [functions, constants, classes].flatMap((of) => [...of.keys()]),
};
