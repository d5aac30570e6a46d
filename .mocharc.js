'use strict';

module.exports = {
  timeout: 20_000,
  recursive: true,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
};
