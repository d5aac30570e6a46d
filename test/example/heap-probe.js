'use strict';

// Preloaded into the example: counts what is alive on its heap, garbage collected, each time it is asked.

const { Session } = require('node:inspector/promises');

/** The rows, and the promises that whatever holds on to something usually comes with. */
function count() {
  const rows = this.filter((object) => Object.hasOwn(object, 'sha256'));
  return { rows: rows.length, promises: this.filter((object) => object instanceof Promise).length };
}

process.on('message', async () => {
  const session = new Session();
  session.connect();
  const { result } = await session.post('Runtime.evaluate', { expression: 'Object.prototype' });
  const { objects } = await session.post('Runtime.queryObjects', { prototypeObjectId: result.objectId });
  const wish = { objectId: objects.objectId, functionDeclaration: String(count), returnByValue: true };
  const counted = await session.post('Runtime.callFunctionOn', wish);
  session.disconnect();
  process.send(counted.result.value);
});
process.channel.unref();
