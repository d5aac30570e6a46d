'use strict';

// node test/docs/examples.js: compiles the examples of lib/index.d.ts as a reader would write them, each in a module of
// its own, against the package's types and the small world of world.d.ts. The modules stand in memory only. Prints what
// is wrong, and ends with 1 then.

const path = require('node:path');
const ts = require('typescript');
const { examples, values } = require('./api.js');

const WORLD = path.join(__dirname, 'world.d.ts');
const OPTIONS = {
  noEmit: true,
  strict: true,
  noImplicitAny: false, // they are JavaScript
  module: ts.ModuleKind.Node16,
  moduleResolution: ts.ModuleResolutionKind.Node16,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts'],
  types: ['node'],
  skipLibCheck: true,
};

/** { name, code }[] -> what is wrong with them, in words. */
function compile(given) {
  const modules = new Map(
    given.map(({ name, code }, i) => {
      const own = `import { ${values.join(', ')} } from 'sluice';\n{\n${code}\n}\nexport {};\n`;
      return [path.join(__dirname, `${name}-${i}.mts`).replaceAll(path.sep, '/'), own];
    }),
  );
  const host = ts.createCompilerHost(OPTIONS);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => modules.has(file) || fileExists(file);
  host.readFile = (file) => modules.get(file) ?? readFile(file);
  host.getSourceFile = (file, version, ...rest) =>
    modules.has(file)
      ? ts.createSourceFile(file, modules.get(file), version, true)
      : getSourceFile.call(host, file, version, ...rest);
  const program = ts.createProgram([...modules.keys(), WORLD], OPTIONS, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file === undefined ? '' : file.text.slice(start).split('\n', 1)[0];
    return `${path.basename(file?.fileName ?? '')}: ${ts.flattenDiagnosticMessageText(messageText, '\n')} (${line})`;
  });
}

/** That nothing is wrong means something only if something could be. */
function main() {
  const found = examples();
  const without = values.filter((name) => !found.some((example) => example.name === name));
  const problems = [...without.map((name) => `${name} has no example`), ...compile(found)];
  const wrong = compile([{ name: 'wrong', code: 'await sleep(5, { timout: 5 });' }]);
  if (wrong.length !== 1) problems.push('a wrong example was not noticed');
  for (const problem of problems) console.log(problem);
  if (problems.length > 0) process.exitCode = 1;
}

main();
