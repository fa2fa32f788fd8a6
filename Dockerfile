# The load generator; README, Docker.
#
#   docker run --rm -e LOADTEST_JWT_SECRET --hostname "$(hostname)" -v "$PWD/results:/data/results" IMAGE run --host wss://...
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY loadtest loadtest
COPY locustfiles locustfiles
RUN python -m venv /opt/loadtest \
    && /opt/loadtest/bin/pip install --no-cache-dir --disable-pip-version-check '.[mock-llm]' \
    && /opt/loadtest/bin/python -m compileall -q /opt/loadtest/lib

FROM python:3.12-slim
COPY --from=build /opt/loadtest /opt/loadtest
COPY docker-entrypoint.sh /usr/local/bin/docker-entrypoint
# Any user may run it, known to the system or not (--user 12345): what it writes lies in /data/results and /tmp, and
# nothing else is written, so the root file system can be read-only with --tmpfs /tmp.
RUN mkdir -p /data/results && chmod 1777 /data /data/results \
    && ln -s "$(/opt/loadtest/bin/python -c 'from loadtest.experiment.run import locustfile as f; print(f("chat").parent)')" /locustfiles
ENV PATH=/opt/loadtest/bin:$PATH \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOCUST_LOCUSTFILE=/locustfiles/chat.py
WORKDIR /data
USER 10001
EXPOSE 8089 5557
ENTRYPOINT ["docker-entrypoint"]
CMD ["--help"]
