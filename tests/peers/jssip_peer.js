// JsSIP as the other user agent: jssip_peer.js URL USER PASSWORD
// Prints one JSON object a line; obeys one JSON object a line on standard input: {"do": "message", "to", "body"} or {"do": "quit"}.
'use strict';
globalThis.window = globalThis;
globalThis.WebSocket = require('ws');
const JsSIP = require('jssip');
const readline = require('readline');

const [url, user, password] = process.argv.slice(2);
const say = (event, facts = {}) => console.log(JSON.stringify({ event, ...facts }));
const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)],
  uri: `sip:${user}@127.0.0.1`,
  password,
  register_expires: 600,
  connection_recovery_min_interval: 1,
});
ua.on('registered', () => say('registered'));
ua.on('unregistered', () => say('unregistered'));
ua.on('registrationFailed', (e) => say('registrationFailed', { cause: e.cause }));
ua.on('newMessage', (e) => {
  if (e.originator === 'remote') {
    say('message', { from: e.request.from.uri.toString(), body: e.request.body });
  }
});
ua.start();
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  if (order.do === 'quit') {
    ua.stop();
    setTimeout(() => process.exit(0), 200);
  } else {
    ua.sendMessage(order.to, order.body, {
      eventHandlers: {
        succeeded: (e) => say('accepted', { status: e.response.status_code }),
        failed: (e) => say('failed', { cause: e.cause, status: e.response ? e.response.status_code : null }),
      },
    });
  }
}).on('close', () => process.exit(0));
