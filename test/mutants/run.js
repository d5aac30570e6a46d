'use strict';

// npm run test:mutants [-- NAME...]
//
// Breaks one line of the package at a time (mutants.js) and expects a test to fail: a mutant that survives is a promise
// that nobody checks. It works in copies of the tree, two at the same time: one for what is broken in C, one for what is
// broken in JavaScript. The tests that mutants name must pass before anything is broken.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const vm = require('node:vm');
const Module = require('node:module');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { text } = require('node:stream/consumers');

const mutants = require('./mutants');

const root = path.join(__dirname, '..', '..');
const FILES = ['.mocharc.js', 'binding.gyp', 'package.json', 'lib', 'src', 'test'];
const SKIPPED = ['bench', 'types', path.join('lifecycle', 'sanitize.sh')].map((file) => path.join(root, 'test', file));
const TIME_LIMIT = 30_000; // a mutant may hang; then it is found
const COMPILATION = 180_000; // of everything, where it has not been compiled, or a header has changed
const TEST_LIMIT = '5000'; // of a test that says nothing else; the same before and after
const MOCHA = path.join('node_modules', 'mocha', 'bin', 'mocha.js');

const isC = ({ file }) => file.endsWith('.c') || file.endsWith('.h');

function copyTree(copy) {
  // With their times: compiled tests save their compilation, where they are there.
  const copyOver = (file) => {
    const filter = (source) => !SKIPPED.includes(source);
    const to = path.join(copy, file);
    fs.cpSync(path.join(root, file), to, { recursive: true, filter, preserveTimestamps: true });
  };
  for (const file of [...FILES, path.join('build', 'Release', 'sluice.node')]) copyOver(file);
  if (fs.existsSync(path.join(root, 'build-tests'))) copyOver('build-tests');
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
}

// Who runs, each at the head of a process group: a test that hangs may have started others that do.
const running = new Set();

function killAll(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody is left of it.
  }
}

/** Runs a command in the copy; it and what it has started are killed when its time is over. */
async function run(copy, command, args, limit = TIME_LIMIT) {
  const child = spawn(command, args, { cwd: copy, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  running.add(child);
  const timer = setTimeout(killAll, limit, child);
  const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  clearTimeout(timer);
  running.delete(child);
  killAll(child);
  return { isGreen: code === 0, output: stdout + stderr };
}

const runCore = (copy, names, limit) => run(copy, 'sh', ['test/core/run.sh', ...names], limit);
const runMocha = (copy, args) => run(copy, process.execPath, [MOCHA, '--exit', '--timeout', TEST_LIMIT, ...args]);

const killerOf = ({ killer: { core, file, title } }) =>
  core === undefined ? `${file}: ${title ?? 'all'}` : core.join(' ');

// Before anything is broken. Each returns the problems: [mutant, what it is] of each.

async function checkCore(copy, chosen) {
  const names = [...new Set(chosen.flatMap(({ killer }) => killer.core))];
  const { isGreen, output } = await runCore(copy, names, COMPILATION);
  if (isGreen && output.includes(`${names.length} passed, 0 failed`)) return [];
  const problem = (i) => `a test fails without it, or is not there${i === 0 ? `:\n${output}` : ''}`;
  return chosen.map((mutant, i) => [mutant, problem(i)]);
}

const escaped = (words) => words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

async function checkMocha(copy, chosen) {
  const problems = [];
  const isWhole = ({ killer }) => killer.title === undefined;
  for (const file of new Set(chosen.map(({ killer }) => killer.file))) {
    const here = chosen.filter(({ killer }) => killer.file === file);
    const titles = [...new Set(here.map(({ killer }) => escaped(killer.title ?? '')))];
    problems.push(...(await checkFile(copy, file, here, here.some(isWhole) ? [] : ['--grep', titles.join('|')])));
  }
  return problems;
}

async function checkFile(copy, file, chosen, args) {
  const report = path.join(copy, 'report.json');
  const reporter = ['--reporter', 'json', '--reporter-option', `output=${report}`];
  const { output } = await runMocha(copy, [...reporter, ...args, file]);
  const all = (problem) => chosen.map((mutant) => [mutant, problem]);
  if (!fs.existsSync(report)) return all(`its tests do not run without it:\n${output}`);
  const { passes, failures } = JSON.parse(fs.readFileSync(report, 'utf8'));
  fs.rmSync(report);
  if (failures.length > 0) return all(`a test fails without it: ${failures[0].err.stack}`);
  const lacks = ({ killer: { title = '' } }) => !passes.some(({ fullTitle }) => fullTitle.includes(title));
  return chosen.filter(lacks).map((mutant) => [mutant, `there is no such test: ${killerOf(mutant)}`]);
}

// One after the other, in their copy.

/** @returns the problem, or a function that mends what it has broken */
function apply(copy, { file, from, to }) {
  const target = path.join(copy, file);
  const source = fs.readFileSync(target, 'utf8');
  const count = source.split(from).length - 1;
  if (count !== 1) return `its line stands ${count} times in ${file}`;
  const broken = source.replace(from, () => to);
  if (file.endsWith('.js')) new vm.Script(Module.wrap(broken), { filename: file }); // it throws where that is no program
  fs.writeFileSync(target, broken);
  return () => fs.writeFileSync(target, source);
}

async function survives(copy, mutant) {
  const mend = apply(copy, mutant);
  if (typeof mend === 'string') return mend;
  const { core, file, title } = mutant.killer;
  try {
    const isCore = core !== undefined;
    const args = ['--bail', file, ...(title === undefined ? [] : ['--fgrep', title])];
    const { isGreen, output } = await (isCore ? runCore(copy, core, COMPILATION) : runMocha(copy, args));
    if (isCore && !/^core tests/m.test(output)) return `it does not compile:\n${output}`;
    return isGreen ? `it survives ${killerOf(mutant)}` : undefined;
  } finally {
    mend();
  }
}

async function checkAll(copy, chosen, checkBefore) {
  if (chosen.length === 0) return 0;
  copyTree(copy);
  const problems = new Map(await checkBefore(copy, chosen));
  for (const mutant of chosen) {
    const began = performance.now();
    const problem = problems.get(mutant) ?? (await survives(copy, mutant));
    if (problem !== undefined) problems.set(mutant, problem);
    const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(5);
    console.log(
      `${problem === undefined ? 'killed ' : 'PROBLEM'} ${seconds} s  ${mutant.name}${problem ? `: ${problem}` : ''}`,
    );
  }
  return problems.size;
}

async function main(names) {
  const chosen = mutants.filter(({ name }) => names.length === 0 || names.includes(name));
  if (chosen.length === 0)
    throw new Error(`there is no such mutant; there are:\n${mutants.map((m) => m.name).join('\n')}`);
  const copies = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-mutants-'));
  process.on('exit', () => {
    for (const child of running) killAll(child);
    fs.rmSync(copies, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
  const inCore = chosen.filter(isC);
  const inLib = chosen.filter((mutant) => !isC(mutant));
  const [inC, inJavaScript] = await Promise.all([
    checkAll(path.join(copies, 'core'), inCore, checkCore),
    checkAll(path.join(copies, 'lib'), inLib, checkMocha),
  ]);
  const survivors = inC + inJavaScript;
  console.log(`${chosen.length - survivors} killed, ${survivors} not`);
  process.exitCode = survivors === 0 ? 0 : 1;
}

main(process.argv.slice(2));
