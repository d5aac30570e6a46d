'use strict';

// Whether anybody looks at what the engine does. What is only done for them stands behind these flags.

const observing = {
  isOn: false, // by either: jobs are named
  isRecording: false, // the flight recorder: every call is a job, and lanes note which granted items they take
  isWatched: false, // the watchdog

  /** @param what 'isRecording' or 'isWatched' */
  set(what, value) {
    observing[what] = value;
    observing.isOn = observing.isRecording || observing.isWatched;
  },
};

module.exports = observing;
