// A chat backend as its users have it: Node, `ws` and `jsonwebtoken`, the guide's events over one path.
//
//   JWT_SECRET=S node server.js [--cert FILE --key FILE] [--compression] [--refuse-at-upgrade] [--limit 10]
//       [--window-ms 60000] [--ttft-ms 20] [--gap-ms 5] [--chunks 5] [--heartbeat-ms 30000]
//
// It listens on a free port of 127.0.0.1. The first line of stdout is {"port": N}; SIGTERM prints the counts as JSON and
// ends the process.
'use strict';

const { randomUUID } = require('node:crypto');
const { readFileSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { parseArgs } = require('node:util');
const jwt = require('jsonwebtoken');
const { WebSocketServer } = require('ws');
const { Chat } = require('./chat');

const { values: options } = parseArgs({
  options: {
    cert: { type: 'string' },
    key: { type: 'string' },
    compression: { type: 'boolean', default: false },
    'refuse-at-upgrade': { type: 'boolean', default: false },
    limit: { type: 'string', default: '10' },
    'window-ms': { type: 'string', default: '60000' },
    'ttft-ms': { type: 'string', default: '20' },
    'gap-ms': { type: 'string', default: '5' },
    chunks: { type: 'string', default: '5' },
    'heartbeat-ms': { type: 'string', default: '30000' },
  },
});
const secret = process.env.JWT_SECRET;

const counts = {
  connections: 0, authenticated: 0, compressed: 0, terminated: 0, messages: 0, rejected: 0, completed: 0, typing: 0, frames: 0,
};
const chat = new Chat(
  {
    limit: Number(options.limit),
    windowMs: Number(options['window-ms']),
    ttftMs: Number(options['ttft-ms']),
    gapMs: Number(options['gap-ms']),
    chunks: Number(options.chunks),
  },
  counts,
);

// The user of a request's token, or the guide's error code.
function admission(request) {
  const token = new URL(request.url, 'ws://local').searchParams.get('token');
  if (!token) return { code: 'AUTH_REQUIRED' };
  try {
    return { userId: jwt.verify(token, secret, { algorithms: ['HS256'] }).userId };
  } catch {
    return { code: 'AUTH_FAILED' };
  }
}

function connected(socket, request) {
  counts.connections += 1;
  if (socket.extensions.includes('permessage-deflate')) counts.compressed += 1;
  Object.assign(socket, { alive: true, conversationId: null, typing: new Map() });
  socket.on('pong', () => { socket.alive = true; });
  socket.on('error', () => {}); // a client that resets its connection; `close` follows
  chat.tell(socket, { type: 'connection:established', serverVersion: '1.0.0' });
  const { userId, code } = admission(request);
  if (code) {
    chat.tell(socket, { type: 'connection:error', code, message: 'no valid token' });
    return socket.close(1008, code);
  }
  counts.authenticated += 1;
  socket.userId = userId;
  socket.on('message', (data, isBinary) => chat.receive(socket, data, isBinary));
  socket.on('close', () => chat.gone(socket));
  chat.tell(socket, { type: 'connection:authenticated', connectionId: randomUUID(), userId });
}

function heartbeat() {
  for (const socket of sockets.clients) {
    if (!socket.alive) {
      counts.terminated += 1;
      socket.terminate();
      continue;
    }
    socket.alive = false;
    socket.ping();
  }
}

const server = options.cert
  ? https.createServer({ cert: readFileSync(options.cert), key: readFileSync(options.key) })
  : http.createServer();
const sockets = new WebSocketServer({
  server,
  path: '/ws',
  perMessageDeflate: options.compression && { threshold: 0 },
  verifyClient: ({ req }, answer) => answer(!options['refuse-at-upgrade'] || !admission(req).code, 401, 'Unauthorized'),
});
sockets.on('connection', connected);
setInterval(heartbeat, Number(options['heartbeat-ms']));

process.on('SIGTERM', () => process.stdout.write(`${JSON.stringify(counts)}\n`, () => process.exit(0)));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`));
