// One MESSAGE by JsSIP, as a script would send it: jssip_message.js URL USER PASSWORD TARGET
'use strict';
globalThis.window = globalThis;
globalThis.WebSocket = require('ws');
const JsSIP = require('jssip');

const [url, user, password, target] = process.argv.slice(2);
const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)],
  uri: `sip:${user}@127.0.0.1`,
  password,
  register: false,
});
ua.on('connected', () => {
  ua.sendMessage(target, 'hi', {
    eventHandlers: { succeeded: () => process.exit(0), failed: () => process.exit(1) },
  });
});
ua.start();
