// What the backend does with the events of the guide: acks, broadcasts, cumulative streams, typing.
'use strict';

const { WebSocket } = require('ws');
const { FixedWindow } = require('./limiter');

const CONTENT_MAX = 10_000;
const TYPING_MIN_MS = 1_000;
const TYPING_STOP_MS = 5_000;

const now = () => new Date().toISOString();

class Chat {
  // options: limit, windowMs, ttftMs, gapMs, chunks
  constructor(options, counts) {
    this.options = options;
    this.counts = counts;
    this.limiter = new FixedWindow(options.limit, options.windowMs);
    this.rooms = new Map(); // conversation id -> Set of sockets
    const words = Array.from({ length: options.chunks }, (_, place) => `word ${place} `);
    this.answers = words.map((_, place) => words.slice(0, place + 1).join(''));
  }

  // --- events in --------------------------------------------------------------------------------------------------
  receive(socket, data, isBinary) {
    let event = null;
    try {
      event = isBinary ? null : JSON.parse(data);
    } catch {} // answered below
    if (event === null || typeof event !== 'object') {
      return this.tell(socket, { type: 'connection:error', code: 'MESSAGE_ERROR', message: 'not a JSON object' });
    }
    const handlers = {
      'message:send': () => this.message(socket, event),
      'typing:start': () => this.startTyping(socket, event.conversationId),
      'typing:stop': () => this.stopTyping(socket, event.conversationId),
    };
    const handler = handlers[event.type];
    if (handler) return handler();
    this.tell(socket, { type: 'connection:error', code: 'VALIDATION_ERROR', message: 'unknown type' });
  }

  message(socket, { messageId, conversationId, content }) {
    if (typeof content !== 'string' || content.length < 1 || content.length > CONTENT_MAX) {
      return this.tell(socket, { type: 'message:error', message: 'content must have 1 to 10000 characters' });
    }
    const rest = this.limiter.take(socket.userId, performance.now());
    if (rest > 0) {
      this.counts.rejected += 1;
      const error = `Rate limit exceeded. Try again in ${rest} seconds`;
      return this.tell(socket, { type: 'message:ack', messageId, status: 'error', error });
    }
    this.counts.messages += 1;
    this.join(socket, conversationId);
    this.tell(socket, { type: 'message:ack', messageId, status: 'received' });
    this.broadcast(conversationId, { type: 'message:receive', messageId, content, userId: socket.userId });
    this.tell(socket, { type: 'message:ack', messageId, status: 'delivered' });
    this.answer(messageId, conversationId);
  }

  answer(messageId, conversationId) {
    const { ttftMs, gapMs, chunks } = this.options;
    const stream = (content, isComplete) =>
      this.broadcast(conversationId, { type: 'message:stream', messageId: `ai-${messageId}`, content, isComplete });
    const step = (place) => {
      stream(this.answers[place], false);
      if (place + 1 < chunks) return setTimeout(step, gapMs, place + 1);
      stream(this.answers[place], true);
      this.counts.completed += 1;
    };
    setTimeout(step, ttftMs, 0);
  }

  startTyping(socket, conversationId) {
    this.counts.typing += 1;
    const typing = socket.typing.get(conversationId);
    if (typing && performance.now() - typing.started < TYPING_MIN_MS) return;
    clearTimeout(typing?.timer);
    const timer = setTimeout(() => this.stopTyping(socket, conversationId), TYPING_STOP_MS);
    socket.typing.set(conversationId, { started: performance.now(), timer });
    this.broadcast(conversationId, { type: 'typing:start', userId: socket.userId }, socket);
  }

  stopTyping(socket, conversationId) {
    const typing = socket.typing.get(conversationId);
    if (!typing) return;
    clearTimeout(typing.timer);
    socket.typing.delete(conversationId);
    this.broadcast(conversationId, { type: 'typing:stop', userId: socket.userId }, socket);
  }

  // --- rooms ------------------------------------------------------------------------------------------------------
  join(socket, conversationId) {
    if (socket.conversationId === conversationId) return;
    this.leave(socket);
    socket.conversationId = conversationId;
    if (!this.rooms.has(conversationId)) this.rooms.set(conversationId, new Set());
    this.rooms.get(conversationId).add(socket);
  }

  leave(socket) {
    const members = this.rooms.get(socket.conversationId);
    members?.delete(socket);
    if (members?.size === 0) this.rooms.delete(socket.conversationId);
  }

  gone(socket) {
    for (const conversationId of [...socket.typing.keys()]) this.stopTyping(socket, conversationId);
    this.leave(socket);
  }

  // --- events out -------------------------------------------------------------------------------------------------
  tell(socket, event) {
    this.post(socket, JSON.stringify({ ...event, timestamp: now() }));
  }

  broadcast(conversationId, event, except = null) {
    const text = JSON.stringify({ ...event, conversationId, timestamp: now() });
    for (const member of this.rooms.get(conversationId) ?? []) if (member !== except) this.post(member, text);
  }

  post(socket, text) {
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(text);
    this.counts.frames += 1;
  }
}

module.exports = { Chat };
