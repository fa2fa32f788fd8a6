# The load generator: docker run --rm -e LOADTEST_JWT_SECRET -v "$PWD/results:/work/results" IMAGE run --host wss://...
FROM python:3.12-slim
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY loadtest loadtest
COPY locustfiles locustfiles
RUN pip install --no-cache-dir . && useradd --create-home tester && mkdir -p /work/results && chown -R tester /work
WORKDIR /work
USER tester
ENTRYPOINT ["loadtest"]
CMD ["--help"]
