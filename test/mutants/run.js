'use strict';

// npm run test:mutants [-- NAME...]
//
// Breaks one line of the package at a time (mutants.js) and expects a test to fail. It works in a copy of the tree. The
// tests a mutant names must pass before it is applied, and one of them must fail while it is: a mutant that survives is a
// promise that nobody checks.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const mutants = require('./mutants');

const root = path.join(__dirname, '..', '..');
const FILES = ['.mocharc.js', 'binding.gyp', 'package.json', 'lib', 'src', 'test'];
const SKIPPED = [path.join('test', 'bench'), path.join('test', 'types')].map((folder) => path.join(root, folder));
const TIME_LIMIT = 60_000; // a mutant may hang; then it is found

function copyTree(copy) {
  for (const file of FILES) {
    const filter = (source) => !SKIPPED.includes(source);
    fs.cpSync(path.join(root, file), path.join(copy, file), { recursive: true, filter });
  }
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  fs.cpSync(path.join(root, 'build', 'Release', 'sluice.node'), path.join(copy, 'build', 'Release', 'sluice.node'));
  // Compiled tests save their compilation, where they are there.
  const compiled = path.join(root, 'build-tests');
  if (fs.existsSync(compiled)) {
    fs.cpSync(compiled, path.join(copy, 'build-tests'), { recursive: true, preserveTimestamps: true });
  }
}

/** @returns whether these tests pass, in the copy: C tests by name, or a mocha file and the words of a title */
function passes(copy, { core, file, title }) {
  const [command, args] =
    core === undefined
      ? [process.execPath, ['node_modules/mocha/bin/mocha.js', '--bail', file, ...(title ? ['--fgrep', title] : [])]]
      : ['sh', ['test/core/run.sh', ...core]];
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: copy,
    timeout: TIME_LIMIT,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
  });
  const ran = /(\d+) (passed|passing)/.exec(stdout);
  const isCompiled = core === undefined || /^core tests/m.test(stdout);
  return { isGreen: status === 0 && ran !== null && ran[1] !== '0', isCompiled, output: stdout + stderr };
}

function apply(copy, { name, file, from, to }) {
  const target = path.join(copy, file);
  const source = fs.readFileSync(target, 'utf8');
  const count = source.split(from).length - 1;
  if (count !== 1) throw new Error(`${name}: its line stands ${count} times in ${file}`);
  fs.writeFileSync(
    target,
    source.replace(from, () => to),
  );
  return () => fs.writeFileSync(target, source);
}

function check(copy, mutant) {
  const before = passes(copy, mutant.killer);
  if (!before.isGreen) return `its test does not pass without it:\n${before.output}`;
  const restore = apply(copy, mutant);
  try {
    const { isGreen, isCompiled, output } = passes(copy, mutant.killer);
    if (!isCompiled) return `it does not compile:\n${output}`;
    return isGreen ? 'it survives' : undefined;
  } finally {
    restore();
  }
}

function main(names) {
  const chosen = mutants.filter(({ name }) => names.length === 0 || names.includes(name));
  if (chosen.length === 0)
    throw new Error(`there is no such mutant; there are:\n${mutants.map((m) => m.name).join('\n')}`);
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-mutants-'));
  let survivors = 0;
  try {
    copyTree(copy);
    for (const mutant of chosen) {
      const problem = check(copy, mutant);
      console.log(`${problem === undefined ? 'killed  ' : 'PROBLEM '} ${mutant.name}${problem ? `: ${problem}` : ''}`);
      if (problem !== undefined) survivors++;
    }
  } finally {
    fs.rmSync(copy, { recursive: true, force: true });
  }
  console.log(`${chosen.length - survivors} killed, ${survivors} not`);
  process.exitCode = survivors === 0 ? 0 : 1;
}

main(process.argv.slice(2));
