'use strict';

module.exports = {
  timeout: 20_000,
  recursive: true,
  retries: 0,
  require: ['./test/support/storage.js'],
  forbidOnly: Boolean(process.env.CI),
};
