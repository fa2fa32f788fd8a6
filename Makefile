PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: test demo style types tests tests-all figures clean
.IGNORE: figures  # an aim that is missed is a result, and the others are still to be measured

test: style types tests  ## everything that has to hold before a commit

demo: $(VENV)/ready  ## half a minute of load on the reference server, a table and a picture
	$(BIN)/loadtest run -u 200 -r 50 -t 30s --rate-limit 10/10s --message-rate 8/10s --label purpose=demo

style: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy

tests: $(VENV)/ready
	$(BIN)/pytest -n 4 --dist loadgroup -m "not long"

tests-all: $(VENV)/ready  ## the long ones, too
	$(BIN)/pytest -n 4 --dist loadgroup

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

figures: $(VENV)/ready  ## the long evidence; two hours, its results are committed
	$(BIN)/python benchmarks/coverage.py --json benchmarks/coverage.json
	$(BIN)/python benchmarks/analysis.py --json benchmarks/analysis.json
	$(BIN)/python benchmarks/compression.py --json benchmarks/compression.json
	$(BIN)/python -m benchmarks.verdicts --json benchmarks/verdicts.json
	$(BIN)/python benchmarks/comparisons.py --json benchmarks/comparisons.json
	$(BIN)/python -m benchmarks.builds --json benchmarks/builds.json
	$(BIN)/pip install --quiet --disable-pip-version-check --group bench
	$(BIN)/python -m benchmarks.accuracy --tool loadtest --json benchmarks/accuracy.json
	$(BIN)/python -m benchmarks.accuracy --tool k6 --json benchmarks/accuracy-k6.json
	$(BIN)/python -m benchmarks.scale --full --json benchmarks/scale.json
	$(BIN)/python -m benchmarks.isolation --json benchmarks/isolation.json
	$(BIN)/python -m benchmarks.recovery --json benchmarks/recovery.json --pictures results
	$(BIN)/python -m benchmarks.soak --minutes 20 --json benchmarks/soak.json
	$(BIN)/python -m benchmarks.peers --json benchmarks/peers.json

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
