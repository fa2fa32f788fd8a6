// The same work on k6's newer WebSocket API: one connection a VU; acks matched by message id; ack, first chunk and
// completion in Trends. What it has to do stands in environment variables (see ../work.py).
import { setTimeout } from 'k6/timers';
import { WebSocket } from 'k6/experimental/websockets';
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';

const users = Number(__ENV.PEERS_USERS);
const messages = Number(__ENV.PEERS_MESSAGES);
const intervalMs = Number(__ENV.PEERS_INTERVAL_US) / 1000;
const hold = __ENV.PEERS_HOLD === '1';
const url = `ws://127.0.0.1:${__ENV.PEERS_PORT}/ws?token=${__ENV.PEERS_TOKEN}`;

export const options = {
  scenarios: {
    chat: { executor: 'per-vu-iterations', vus: users, iterations: 1, maxDuration: '10m', gracefulStop: '0s' },
  },
};

const ack = new Trend('ack_delivered', true);
const firstChunk = new Trend('ttft', true);
const completion = new Trend('stream_completion', true);
const frames = new Counter('frames');
const completed = new Counter('completed');

export default function () {
  const number = exec.vu.idInTest - 1;
  const open = new Map(); // message id -> {sent, streaming}
  let seen = 0;
  let said = 0;
  let finished = 0;
  const socket = new WebSocket(url);

  function say() {
    const messageId = `msg-${number}-${said}`;
    said += 1;
    open.set(messageId, { sent: Date.now(), streaming: false });
    socket.send(JSON.stringify({
      type: 'message:send', messageId, conversationId: `conv-${number}`, content: __ENV.PEERS_TEXT,
    }));
  }

  function begin() {
    if (messages === 0) return;
    if (intervalMs === 0) {
      say();
      return;
    }
    const began = Date.now();
    const phase = ((number * 0.6180339887498949) % 1) * intervalMs;
    const next = () => {
      say();
      if (said < messages) setTimeout(next, Math.max(began + phase + said * intervalMs - Date.now(), 0));
    };
    setTimeout(next, phase);
  }

  function onStream(event) {
    const id = event.messageId.slice(3); // after `ai-`
    const message = open.get(id);
    if (message === undefined) return;
    if (!message.streaming) {
      message.streaming = true;
      firstChunk.add(Date.now() - message.sent);
    }
    if (!event.isComplete) return;
    completion.add(Date.now() - message.sent);
    open.delete(id);
    finished += 1;
    if (finished < messages) {
      if (intervalMs === 0) say();
    } else if (!hold) {
      frames.add(seen);
      completed.add(finished);
      socket.close();
    }
  }

  socket.addEventListener('message', (frame) => {
    seen += 1;
    const event = JSON.parse(frame.data);
    if (event.type === 'message:stream') {
      onStream(event);
    } else if (event.type === 'message:ack') {
      const message = open.get(event.messageId);
      if (message !== undefined && event.status === 'delivered') ack.add(Date.now() - message.sent);
    } else if (event.type === 'connection:authenticated') {
      begin();
    }
  });
  socket.addEventListener('error', (error) => exec.test.abort(`connection: ${error.error}`));
}

export function handleSummary(data) {
  const count = (name) => data.metrics[name]?.values.count ?? 0;
  return { [__ENV.PEERS_REPORT]: JSON.stringify({ frames: count('frames'), completed: count('completed') }) };
}
