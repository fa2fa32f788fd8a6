/* The floor: what any client must pay to the kernel for the same frames. One thread, epoll, no JSON, no library.
 *
 * It does the same work as the others (see ../work.py, which describes it by environment variables), takes the time of
 * ack, first chunk and completion, finds them by their bytes, and writes {"frames": N, "completed": N} to
 * PEERS_REPORT. Build: cc -O2 -o floor floor.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 65536, DIALS = 128, EVENTS = 256, TAIL = 160 };
#define STARTS(payload, size, text) ((size) >= sizeof(text) - 1 && memcmp(payload, text, sizeof(text) - 1) == 0)

typedef struct user {
    int fd, number, upgraded, sent, completed, streaming;
    size_t kept; /* bytes of an unfinished frame, in `rest` */
    char *rest;
    int64_t due, sent_at;
    struct user *before, *after; /* in the queue of sends, by `due` */
} user;

static user *users, *first, *last;
static int poller, count, dialled, done, messages, hold;
static int64_t interval, *acks, *tokens, *completions;
static long frames, acked;
static const char *port, *token;

static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void put(user *it, const char *bytes, size_t size) {
    if (send(it->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) fail("floor: send");
}

/* A masked frame of a client (RFC 6455 section 5.2); the key is constant, which costs as much as a random one. */
static void put_frame(user *it, int opcode, const char *payload, size_t size) {
    static const char key[4] = {0x21, 0x43, 0x65, 0x07};
    char frame[1024];
    size_t at = 2;
    frame[0] = (char)(0x80 | opcode);
    if (size < 126) {
        frame[1] = (char)(0x80 | size);
    } else {
        frame[1] = (char)(0x80 | 126);
        frame[at++] = (char)(size >> 8);
        frame[at++] = (char)size;
    }
    memcpy(frame + at, key, 4);
    at += 4;
    for (size_t place = 0; place < size; place++) frame[at + place] = payload[place] ^ key[place & 3];
    put(it, frame, at + size);
}

static void say(user *it) {
    char text[512];
    int size = snprintf(text, sizeof text,
                        "{\"type\":\"message:send\",\"messageId\":\"msg-%d-%d\",\"conversationId\":\"conv-%d\","
                        "\"content\":\"%s\"}",
                        it->number, it->sent, it->number, getenv("PEERS_TEXT"));
    it->sent++;
    it->streaming = 0;
    it->sent_at = now_ns();
    put_frame(it, 1, text, (size_t)size);
}

static void plan(user *it, int64_t due) {
    user *place = last;
    it->due = due;
    while (place && place->due > due) place = place->before;
    it->before = place;
    it->after = place ? place->after : first;
    if (it->after) it->after->before = it; else last = it;
    if (place) place->after = it; else first = it;
}

static void say_what_is_due(void) {
    while (first && first->due <= now_ns()) {
        user *it = first;
        first = it->after;
        if (first) first->before = NULL; else last = NULL;
        say(it);
        if (it->sent < messages) plan(it, it->due + interval);
    }
}

static void dial(user *it) {
    char request[2048];
    int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    it->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (it->fd < 0 || connect(it->fd, (struct sockaddr *)&to, sizeof to) < 0) fail("floor: connect");
    setsockopt(it->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = it};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, it->fd, &want) < 0) fail("floor: epoll");
    int size = snprintf(request, sizeof request,
                        "GET /ws?token=%s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\n",
                        token, port);
    put(it, request, (size_t)size);
}

static void begin(user *it) {
    double phase = it->number * 0.6180339887498949;
    if (dialled < count) dial(&users[dialled++]);
    if (messages == 0) return;
    if (interval) plan(it, now_ns() + (int64_t)((phase - (int64_t)phase) * (double)interval));
    else say(it);
}

static void end(user *it) {
    static const char normal[2] = {0x03, (char)0xe8}; /* 1000 */
    if (hold) return;
    put_frame(it, 8, normal, 2);
    close(it->fd);
    done++;
}

static void on_text(user *it, const char *payload, size_t size, int64_t at) {
    frames++;
    if (STARTS(payload, size, "{\"type\":\"message:stream\"")) {
        long place = it->number * (long)messages + it->completed;
        size_t tail = size < TAIL ? size : TAIL;
        if (!it->streaming) tokens[place] = at - it->sent_at;
        it->streaming = 1;
        if (!memmem(payload + size - tail, tail, "\"isComplete\":true", 17)) return;
        completions[place] = at - it->sent_at;
        it->completed++;
        if (it->completed == messages) end(it);
        else if (!interval) say(it);
    } else if (STARTS(payload, size, "{\"type\":\"message:ack\"")) {
        if (memmem(payload, size, "\"delivered\"", 11)) acks[acked++] = at - it->sent_at;
    } else if (STARTS(payload, size, "{\"type\":\"connection:authenticated\"")) {
        begin(it);
    }
}

/* Handles every whole frame; returns how many bytes they were. */
static size_t on_bytes(user *it, const char *bytes, size_t size, int64_t at) {
    size_t used = 0;
    if (!it->upgraded) {
        const char *blank = memmem(bytes, size, "\r\n\r\n", 4);
        if (!blank) return 0;
        if (!STARTS(bytes, size, "HTTP/1.1 101")) fail("floor: no upgrade");
        it->upgraded = 1;
        used = (size_t)(blank + 4 - bytes);
    }
    while (size - used >= 2) {
        const unsigned char *head = (const unsigned char *)bytes + used;
        size_t length = head[1] & 127, skip = 2;
        if (length == 126) {
            if (size - used < 4) break;
            length = (size_t)head[2] << 8 | head[3];
            skip = 4;
        } else if (length == 127) {
            fail("floor: frame too large");
        }
        if (size - used < skip + length) break;
        if ((head[0] & 15) == 1) on_text(it, bytes + used + skip, length, at);
        else if ((head[0] & 15) == 9) put_frame(it, 10, bytes + used + skip, length);
        used += skip + length;
    }
    return used;
}

static void on_readable(user *it) {
    static char buffer[2 * BUFFER];
    memcpy(buffer, it->rest, it->kept);
    ssize_t got = recv(it->fd, buffer + it->kept, BUFFER, 0);
    if (got <= 0) fail("floor: recv");
    size_t size = it->kept + (size_t)got, used = on_bytes(it, buffer, size, now_ns());
    if (size - used > it->kept) it->rest = realloc(it->rest, size - used);
    it->kept = size - used;
    memcpy(it->rest, buffer + used, it->kept);
}

static int whole(const char *name) {
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

int main(void) {
    struct epoll_event events[EVENTS];
    port = getenv("PEERS_PORT"), token = getenv("PEERS_TOKEN");
    count = whole("PEERS_USERS"), messages = whole("PEERS_MESSAGES"), hold = whole("PEERS_HOLD");
    interval = whole("PEERS_INTERVAL_US") * 1000LL;
    users = calloc((size_t)count, sizeof *users);
    size_t all = (size_t)count * (size_t)messages + 1;
    acks = calloc(all, 8), tokens = calloc(all, 8), completions = calloc(all, 8);
    poller = epoll_create1(0);
    for (int place = 0; place < count; place++) users[place].number = place;
    while (dialled < count && dialled < DIALS) {
        user *it = &users[dialled++];
        dial(it);
    }
    while (done < count) {
        int64_t left = first ? first->due - now_ns() : 0;
        int wait_ms = !first ? -1 : left <= 0 ? 0 : (int)((left + 999999) / 1000000);
        int ready = epoll_wait(poller, events, EVENTS, wait_ms);
        if (ready < 0 && errno != EINTR) fail("floor: epoll_wait");
        for (int place = 0; place < ready; place++) on_readable(events[place].data.ptr);
        say_what_is_due();
    }
    FILE *report = fopen(getenv("PEERS_REPORT"), "w");
    if (!report) fail("floor: report");
    fprintf(report, "{\"frames\": %ld, \"completed\": %ld}\n", frames, (long)count * messages);
    return fclose(report) != 0;
}
