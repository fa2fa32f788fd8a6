// The same load by k6: one connection a virtual user, messages at random (Poisson) times whatever the replies do.
// Each message's three latencies are samples of Trends, tagged with its id and the wall time at which it was sent.
import { WebSocket } from "k6/experimental/websockets";
import { setTimeout } from "k6/timers";
import { Trend } from "k6/metrics";
import exec from "k6/execution";

const { URL, USERS, PER_SECOND, SECONDS } = __ENV;
const tokens = JSON.parse(open(__ENV.TOKENS));
const ack = new Trend("ack_delivered", true);
const ttft = new Trend("ttft", true);
const completion = new Trend("stream_completion", true);

export const options = {
  scenarios: {
    chat: { executor: "per-vu-iterations", vus: Number(USERS), iterations: 1, maxDuration: "10m", gracefulStop: "1s" },
  },
  summaryTrendStats: ["count"],
};

export default function () {
  const user = exec.vu.idInTest;
  const socket = new WebSocket(`${URL}?token=${tokens[user - 1]}`);
  const open = new Map();
  const until = Date.now() + Number(SECONDS) * 1000;
  let number = 0;
  let sending = true;

  const gap = () => (-Math.log(1 - Math.random()) / Number(PER_SECOND)) * 1000;
  const doneIfQuiet = () => {
    if (!sending && open.size === 0) socket.close();
  };
  const send = () => {
    if (Date.now() >= until) {
      sending = false;
      doneIfQuiet();
      return;
    }
    const sent = Date.now();
    const id = `k6-${user}-${number++}`;
    open.set(id, { sent, tags: { id, sent: String(sent) }, begun: false });
    socket.send(JSON.stringify({
      type: "message:send", messageId: id, conversationId: `conv-${user}`,
      content: "so how is the weather over there today ...", timestamp: new Date(sent).toISOString(),
    }));
    setTimeout(send, gap());
  };

  socket.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (event.type === "connection:authenticated") {
      setTimeout(send, gap());
    } else if (event.type === "message:ack" && event.status === "delivered") {
      const entry = open.get(event.messageId);
      if (entry) ack.add(Date.now() - entry.sent, entry.tags);
    } else if (event.type === "message:stream") {
      const id = event.messageId.replace(/^ai-/, "");
      const entry = open.get(id);
      if (!entry) return;
      if (!entry.begun && event.content) {
        entry.begun = true;
        ttft.add(Date.now() - entry.sent, entry.tags);
      }
      if (event.isComplete) {
        completion.add(Date.now() - entry.sent, entry.tags);
        open.delete(id);
        doneIfQuiet();
      }
    }
  };
}
