'use strict';

// What a recorder has recorded: plain data.

class Recording {
  constructor({ version, startedAt, duration, lost, thread, pid, jobs, events }) {
    this.version = version;
    this.startedAt = startedAt;
    this.duration = duration;
    this.lost = lost;
    this.thread = thread;
    this.pid = pid;
    this.jobs = jobs;
    this.events = events;
  }
}

module.exports = { Recording };
