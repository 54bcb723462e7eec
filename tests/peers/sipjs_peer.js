// SIP.js as the other user agent: sipjs_peer.js URL USER PASSWORD
// The same lines in and out as jssip_peer.js.
'use strict';
globalThis.WebSocket = require('ws');
const { Messager, Registerer, RegistererState, UserAgent } = require('sip.js');
const readline = require('readline');

const [url, user, password] = process.argv.slice(2);
const say = (event, facts = {}) => console.log(JSON.stringify({ event, ...facts }));
const ua = new UserAgent({
  uri: UserAgent.makeURI(`sip:${user}@127.0.0.1`),
  authorizationUsername: user,
  authorizationPassword: password,
  transportOptions: { server: url },
  logBuiltinEnabled: false,
  delegate: {
    onMessage(message) {
      say('message', { from: message.request.from.uri.toString(), body: message.request.body });
      message.accept();
    },
  },
});
const registerer = new Registerer(ua);
registerer.stateChange.addListener((state) => say(state === RegistererState.Registered ? 'registered' : 'unregistered'));
ua.start().then(() => registerer.register()).catch((error) => say('registrationFailed', { cause: String(error) }));
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  if (order.do === 'quit') {
    process.exit(0);
  } else {
    new Messager(ua, UserAgent.makeURI(order.to), order.body).message({
      requestDelegate: {
        onAccept: (response) => say('accepted', { status: response.message.statusCode }),
        onReject: (response) => say('failed', { cause: response.message.reasonPhrase, status: response.message.statusCode }),
      },
    });
  }
}).on('close', () => process.exit(0));
