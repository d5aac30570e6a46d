'use strict';

// Takes this main thread to one stage, and ends it there. Arguments: the stage, the ending.

const { writeSync } = require('node:fs');
const { endings, stages } = require('./stages');

const [stage, ending] = process.argv.slice(2);
const act = () => {
  writeSync(1, 'here');
  endings[ending]();
};
stages[stage](act, ending === 'natural');
