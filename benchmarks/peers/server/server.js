// The happy path of the guide on the npm package `ws`, as real backends have it: what all clients are measured against.
//
//   node server.js --secret S [--port 0] [--chunks 20] [--gap-ms 0]
//
// A message gets ack received, its broadcast, ack delivered, `chunks` frames of cumulative content and a completion:
// chunks + 4 frames, at once where the gap is 0, else a random half to one and a half gaps after each other. The first
// line of stdout is {"port": N}; GET / answers with the counts so far; SIGTERM prints them and ends the process.
'use strict';

const { createHmac, randomUUID } = require('node:crypto');
const http = require('node:http');
const { parseArgs } = require('node:util');
const { WebSocketServer, WebSocket } = require('ws');

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    secret: { type: 'string' },
    chunks: { type: 'string', default: '20' },
    'gap-ms': { type: 'string', default: '0' },
  },
});
const chunks = Number(options.chunks);
const gapMs = Number(options['gap-ms']);
const HEARTBEAT_MS = 30_000;
const CONTENT_MAX = 10_000;
const WORDS = Array.from({ length: chunks }, (_, place) => `chunk ${String(place).padStart(4, '0')} `); // 11 characters
const ANSWERS = WORDS.map((_, place) => WORDS.slice(0, place + 1).join(''));

const counts = { connections: 0, authenticated: 0, open: 0, messages: 0, completed: 0, frames: 0, pings: 0 };
const load = { firstMs: null, lastMs: null, firstCpu: null, lastCpu: null };
const rooms = new Map(); // conversation id -> Set of sockets

let state = 1;

// Uniform in [0, 1), the same numbers in each run. Equal gaps would let answers fall into step with each other, and
// Node would then send their chunks in heaps.
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes, section 7.1
  return state / 2 ** 32;
}

const now = () => new Date().toISOString();

function post(socket, text) {
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(text);
    counts.frames += 1;
  }
}

function tell(socket, event) {
  post(socket, JSON.stringify({ ...event, timestamp: now() }));
}

function broadcast(conversationId, event) {
  const text = JSON.stringify({ ...event, conversationId, timestamp: now() });
  for (const member of rooms.get(conversationId) ?? []) post(member, text);
}

function userOf(token) {
  const [header, payload, signature] = token.split('.');
  const wanted = createHmac('sha256', options.secret).update(`${header}.${payload}`).digest('base64url');
  return signature === wanted ? JSON.parse(Buffer.from(payload, 'base64url')).userId : null;
}

function leave(socket) {
  const members = rooms.get(socket.conversationId);
  members?.delete(socket);
  if (members?.size === 0) rooms.delete(socket.conversationId);
}

function join(socket, conversationId) {
  if (socket.conversationId === conversationId) return;
  leave(socket);
  socket.conversationId = conversationId;
  if (!rooms.has(conversationId)) rooms.set(conversationId, new Set());
  rooms.get(conversationId).add(socket);
}

function answer(messageId, conversationId) {
  const stream = (content, isComplete) =>
    broadcast(conversationId, { type: 'message:stream', messageId: `ai-${messageId}`, content, isComplete });
  const complete = () => {
    stream(ANSWERS[chunks - 1], true);
    counts.completed += 1;
    load.lastMs = performance.now();
    load.lastCpu = process.cpuUsage();
  };
  if (gapMs === 0) {
    for (const content of ANSWERS) stream(content, false);
    complete();
    return;
  }
  const began = performance.now();
  let place = 0;
  let due = 0; // ms from the beginning: absolute, so that late timers do not slow the answer down
  const next = () => {
    due += gapMs * (0.5 + random());
    setTimeout(step, due - (performance.now() - began));
  };
  const step = () => {
    if (place === chunks) return complete();
    stream(ANSWERS[place], false);
    place += 1;
    next();
  };
  next();
}

function onMessage(socket, { messageId, conversationId, content }) {
  if (typeof content !== 'string' || content.length < 1 || content.length > CONTENT_MAX) {
    tell(socket, { type: 'message:error', message: 'content must have 1 to 10000 characters' });
    return;
  }
  counts.messages += 1;
  load.firstMs ??= performance.now();
  load.firstCpu ??= process.cpuUsage();
  join(socket, conversationId);
  tell(socket, { type: 'message:ack', messageId, status: 'received' });
  broadcast(conversationId, { type: 'message:receive', messageId, content, userId: socket.userId });
  tell(socket, { type: 'message:ack', messageId, status: 'delivered' });
  answer(messageId, conversationId);
}

function onFrame(socket, data) {
  let event;
  try {
    event = JSON.parse(data);
  } catch {
    tell(socket, { type: 'connection:error', code: 'MESSAGE_ERROR', message: 'not JSON' });
    return;
  }
  if (event.type === 'message:send') onMessage(socket, event);
  else tell(socket, { type: 'connection:error', code: 'VALIDATION_ERROR', message: 'unknown type' });
}

function refuse(socket, code) {
  tell(socket, { type: 'connection:error', code, message: 'no valid token' });
  socket.close(1008, code);
}

const seconds = (used) => (used.user + used.system) / 1e6;

function report() {
  const ended = load.lastMs !== null;
  return JSON.stringify({
    ...counts,
    load_s: ended ? (load.lastMs - load.firstMs) / 1e3 : 0,
    load_cpu_s: ended ? seconds(load.lastCpu) - seconds(load.firstCpu) : 0,
    cpu_s: seconds(process.cpuUsage()),
  });
}

const server = http.createServer((_request, response) => response.end(report()));
const sockets = new WebSocketServer({ server, path: '/ws' });

sockets.on('connection', (socket, request) => {
  counts.connections += 1;
  counts.open += 1;
  socket.alive = true;
  socket.on('pong', () => { socket.alive = true; });
  socket.on('message', (data) => onFrame(socket, data));
  socket.on('error', () => {});
  socket.on('close', () => {
    counts.open -= 1;
    leave(socket);
  });
  tell(socket, { type: 'connection:established', serverVersion: '1.0.0' });
  const token = new URL(request.url, 'ws://local').searchParams.get('token');
  if (!token) return refuse(socket, 'AUTH_REQUIRED');
  socket.userId = userOf(token);
  if (socket.userId === null) return refuse(socket, 'AUTH_FAILED');
  counts.authenticated += 1;
  tell(socket, { type: 'connection:authenticated', connectionId: randomUUID(), userId: socket.userId });
});

setInterval(() => {
  for (const socket of sockets.clients) {
    if (!socket.alive) {
      socket.terminate();
      continue;
    }
    socket.alive = false;
    socket.ping();
    counts.pings += 1;
  }
}, HEARTBEAT_MS);

process.on('SIGTERM', () => {
  process.stdout.write(`${report()}\n`, () => process.exit(0));
});

server.listen({ port: Number(options.port), host: '127.0.0.1', backlog: 4096 }, () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
