'use strict';

const assert = require('node:assert/strict');
const { existsSync, writeFileSync } = require('node:fs');
const { parseRows, run, scratch } = require('./fetch-all');
const { tinyServer } = require('./tiny-server');

describe('example: fetch-all, wrong usage', function () {
  this.timeout(20_000);
  const files = scratch();
  const server = tinyServer({ '/a': (_, response) => response.end('alpha') });

  it('--help explains every option and exits 0', async () => {
    const { code, stdout } = await run(['--help']);
    assert.equal(code, 0);
    const names = [
      'concurrency',
      'timeout',
      'retries',
      'rate',
      'total-timeout',
      'out',
      'input',
      'trace',
      'seed',
      'files',
    ];
    for (const name of names) {
      assert.match(stdout, new RegExp(`--${name} `));
    }
  });

  const mistakes = [
    [['--concurrency', '0', 'http://127.0.0.1/'], /--concurrency must be an integer of at least 1, got '0'/],
    [['--concurrency', '1.5', 'http://127.0.0.1/'], /--concurrency must be an integer of at least 1, got '1.5'/],
    [['--timeout', 'soon', 'http://127.0.0.1/'], /--timeout must be a number of at least 1, got 'soon'/],
    [['--retries', '', 'http://127.0.0.1/'], /--retries must be an integer of at least 0, got ''/],
    [['--rate', '0', 'http://127.0.0.1/'], /--rate must be a number of at least 0.001, got '0'/],
    [['--retries', '0'], /--retries must be an integer of at least 1, got '0'/],
    [['--seed', '4294967296'], /--seed must be an integer from 0 to 4294967295, got '4294967296'/],
    [['--seed', '1', 'http://127.0.0.1/'], /--seed is for the run without URLs/],
    [['--timout', '5', 'http://127.0.0.1/'], /Unknown option '--timout'/],
    [['htp:/x'], /'htp:\/x' is not a http or https URL/],
    [['file:///etc/passwd'], /'file:\/\/\/etc\/passwd' is not a http or https URL/],
    [['--input', '/no/such/file'], /cannot read the URLs: ENOENT/],
    [['--out', '/no/such/directory/rows', 'http://127.0.0.1/'], /cannot write the rows: ENOENT/],
    [['--trace', 'run.txt', 'http://127.0.0.1/'], /--trace must be a \.html or a \.json file, got 'run.txt'/],
    [['--trace', '/no/such/directory/run.html', 'http://127.0.0.1/'], /cannot write the trace: ENOENT/],
    [['--out', '/no/such/directory/rows'], /cannot write the rows: ENOENT/],
  ];
  for (const [args, message] of mistakes) {
    it(`'${args.join(' ')}' exits 2 and says why`, async () => {
      const { code, stdout, stderr } = await run(args);
      assert.equal(code, 2);
      assert.match(stderr, message);
      assert.equal(stdout, '');
    });
  }

  it('a wrong line in a file is named before anything is fetched or written', async () => {
    const [input, out] = [files.file('urls.txt'), files.file('rows.jsonl')];
    writeFileSync(input, `${server.url('/a')}\nnonsense\n`);
    const { code, stderr } = await run(['--input', input, '--out', out]);
    assert.equal(code, 2);
    assert.match(stderr, /urls\.txt, line 2: 'nonsense' is not a http or https URL/);
    assert.equal(server.count('/a'), 0);
    assert.equal(existsSync(out), false);
  });

  it('a wrong line on standard input is named when it is reached; what was done is written', async () => {
    const { code, stdout, stderr } = await run(['--concurrency', '1', '-'], {
      stdin: `${server.url('/a')}\nnonsense\n`,
    });
    assert.equal(code, 2);
    assert.match(stderr, /standard input, line 2: 'nonsense' is not a http or https URL/);
    assert.deepEqual(
      parseRows(stdout).map(({ url, error }) => [url, error]),
      [[server.url('/a'), null]],
    );
  });
});
