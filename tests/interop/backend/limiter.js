// The guide's rate limit: a fixed window for each user, which opens at the user's first message.
'use strict';

class FixedWindow {
  constructor(limit, windowMs) {
    this.limit = limit;
    this.windowMs = windowMs;
    this.windows = new Map(); // user -> { opened, admitted }
  }

  // 0 when admitted, else the rest of the window in whole seconds, rounded up.
  take(user, now) {
    let window = this.windows.get(user);
    if (!window || now - window.opened >= this.windowMs) {
      window = { opened: now, admitted: 0 };
      this.windows.set(user, window);
    }
    if (window.admitted < this.limit) {
      window.admitted += 1;
      return 0;
    }
    return Math.ceil((window.opened + this.windowMs - now) / 1000);
  }
}

module.exports = { FixedWindow };
