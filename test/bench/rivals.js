'use strict';

// Who runs against whom, and in which version. What is not there is reported, not an error: a row shows who was missing.

const path = require('node:path');
const os = require('node:os');
const versionOf = (name) => require(path.join(__dirname, 'node_modules', name, 'package.json')).version;

const peers = [
  'p-map',
  'p-limit',
  'p-retry',
  'p-timeout',
  'async',
  'fastq',
  'effect',
  'cockatiel',
  'async-sema',
  'async-mutex',
  'limiter',
  'bottleneck',
  'p-throttle',
  'p-queue',
];

/** The rivals of these names; the twin is always there, and so is sluice, whose parts are named too: 'sluice.Queue'. */
async function loadRivals(names) {
  const rivals = { twin: { ...require('./twin.js'), ...require('./twin-coordination.js') } };
  try {
    rivals.sluice = require('../..');
    for (const [name, part] of Object.entries(rivals.sluice)) rivals[`sluice.${name}`] = part;
  } catch (error) {
    rivals.sluiceError = error;
  }
  for (const name of peers.filter((peer) => names.includes(peer))) {
    try {
      const module = await import(name);
      rivals[name] = module.default ?? module;
    } catch {
      rivals[name] = undefined;
    }
  }
  return rivals;
}

function versions() {
  const found = { node: process.version, v8: process.versions.v8, libuv: process.versions.uv };
  found.sluice = require('../../package.json').version;
  for (const name of peers) {
    try {
      found[name] = versionOf(name);
    } catch {
      found[name] = 'not installed';
    }
  }
  return found;
}

const machine = () => ({
  cpu: os.cpus()[0]?.model.trim(),
  cores: os.cpus().length,
  memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
  system: `${os.type()} ${os.release()} ${os.arch()}`,
});

module.exports = { loadRivals, versions, machine };
