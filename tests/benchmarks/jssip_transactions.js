// OPTIONS by JsSIP, so many outstanding at a time: jssip_transactions.js URL COUNT OUTSTANDING
// Prints the CPU microseconds that each took, after a tenth of them that does not count.
'use strict';
globalThis.window = globalThis;
globalThis.WebSocket = require('ws');
const JsSIP = require('jssip');

const [url, count, outstanding] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)],
  uri: 'sip:alice@127.0.0.1',
  password: 'unused',
  register: false,
});
// As text it would be a user of our own domain.
const target = new JsSIP.URI('sip', null, '127.0.0.1');
const warm = count / 10;
let sent = 0;
let done = 0;
let before;
function next() {
  sent += 1;
  ua.sendOptions(target, '', {
    eventHandlers: { succeeded: ended, failed: () => process.exit(1) },
  });
}
function ended() {
  done += 1;
  if (done === warm) before = process.cpuUsage();
  if (done === count + warm) {
    const used = process.cpuUsage(before);
    console.log((used.user + used.system) / count);
    process.exit(0);
  }
  if (sent < count + warm) next();
}
ua.on('connected', () => {
  for (let index = 0; index < outstanding; index += 1) next();
});
ua.start();
