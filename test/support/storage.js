'use strict';

// AsyncLocalStorage for tests. Node 20 watches every promise of the process from the first run() of a storage to its
// disable(), which makes an await ten times as slow: so each is disabled after the test that used it (.mocharc.js).

const { AsyncLocalStorage } = require('node:async_hooks');

const storages = new Set();

class Storage extends AsyncLocalStorage {
  constructor() {
    super();
    storages.add(this);
  }
}

const mochaHooks = {
  afterEach() {
    for (const storage of storages) storage.disable();
  },
};

module.exports = { AsyncLocalStorage: Storage, mochaHooks };
