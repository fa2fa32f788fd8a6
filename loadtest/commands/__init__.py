"""The commands of `loadtest`, one a module; `cli` assembles them."""
