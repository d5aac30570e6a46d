'use strict';

// The command line: what was typed -> a checked settings object, or a UsageError that names what is wrong.

const { parseArgs } = require('node:util');

const HELP = `Fetch many URLs: so many at once, each within its time, failed ones again.

Usage:
  fetch-all [options] URL...            fetch the URLs given as arguments
  fetch-all [options] --input FILE      fetch the URLs in FILE, one per line (blank lines and # comments are skipped)
  fetch-all [options] -                 fetch the URLs from standard input, read only as fast as they are fetched: the list
                                        may be endless, it takes no more memory
  fetch-all [options]                   no URL: serve the files under node_modules from a misbehaving server of its own,
                                        fetch them all, and prove that every checksum and every fault agrees

Options:
  -c, --concurrency N     requests at a time (default 16; own server 64)
  -t, --timeout MS        one attempt's time, headers and body (default 10000; own server 2000)
  -r, --retries N         further attempts after a failed one (default 3)
      --rate N            attempts started per second, further ones too (default: no limit)
  -T, --total-timeout MS  the whole run's time (default: no limit)
  -o, --out FILE          where the rows go, - is standard output (default -; own server out/fetch-all.jsonl)
  -i, --input FILE        read URLs from FILE, - is standard input
      --trace FILE        record the run: a .html file is a page to look at, a .json file opens in Perfetto
      --seed N            own server: which faults hit which request, 0 to 4294967295 (default: random; it is printed)
      --files N           own server: how many files to serve at most (default 3000)
  -h, --help              show this help

Each URL becomes one JSON line: url, status, bytes, sha256, attempts, durationMs, error.
A 408, 425, 429, 500, 502, 503 or 504, a broken connection and a timeout are tried again; Retry-After is honoured.

Exit code: 0 all succeeded, 1 something failed or did not agree, 2 wrong usage, 130 interrupted by Ctrl-C.
`;

const OPTIONS = {
  concurrency: { type: 'string', short: 'c' },
  timeout: { type: 'string', short: 't' },
  retries: { type: 'string', short: 'r' },
  rate: { type: 'string' },
  'total-timeout': { type: 'string', short: 'T' },
  out: { type: 'string', short: 'o' },
  input: { type: 'string', short: 'i' },
  trace: { type: 'string' },
  seed: { type: 'string' },
  files: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
};

const MAX_SEED = 2 ** 32 - 1;

class UsageError extends Error {}

function number(values, name, { min, max = Infinity, integer = false, fallback }) {
  const text = values[name];
  if (text === undefined) return fallback;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max && (!integer || Number.isSafeInteger(value))) return value;
  const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new UsageError(`--${name} must be ${integer ? 'an integer' : 'a number'} ${range}, got '${text}'`);
}

function parse(argv) {
  let parsed;
  try {
    parsed = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error.message);
  }
  const { values, positionals } = parsed;
  if (values.help) return { help: true };

  if (values.trace !== undefined && !/[^/\\]\.(html|json)$/i.test(values.trace)) {
    throw new UsageError(`--trace must be a .html or a .json file, got '${values.trace}'`);
  }
  const ownWorld = positionals.length === 0 && values.input === undefined;
  for (const name of ['seed', 'files']) {
    if (!ownWorld && values[name] !== undefined) throw new UsageError(`--${name} is for the run without URLs`);
  }
  return {
    help: false,
    ownWorld,
    urls: positionals,
    input: values.input,
    trace: values.trace,
    out: values.out ?? (ownWorld ? undefined : '-'),
    concurrency: number(values, 'concurrency', { min: 1, integer: true, fallback: ownWorld ? 64 : 16 }),
    timeout: number(values, 'timeout', { min: 1, fallback: ownWorld ? 2000 : 10_000 }),
    // Without a single retry the own server could not misbehave: every fault would be a failed URL.
    retries: number(values, 'retries', { min: ownWorld ? 1 : 0, integer: true, fallback: 3 }),
    rate: number(values, 'rate', { min: 0.001 }),
    totalTimeout: number(values, 'total-timeout', { min: 1 }),
    seed: number(values, 'seed', {
      min: 0,
      max: MAX_SEED,
      integer: true,
      fallback: Math.floor(Math.random() * (MAX_SEED + 1)),
    }),
    files: number(values, 'files', { min: 5, integer: true, fallback: 3000 }),
  };
}

module.exports = { HELP, UsageError, parse };
