FROM docker.io/library/python:3.11-slim AS build
WORKDIR /src
COPY requirements/run.txt requirements/run.txt
RUN python -m venv /opt/deliverd \
    && /opt/deliverd/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY config config
COPY probes probes
COPY deliverd deliverd
RUN /opt/deliverd/bin/pip install --no-cache-dir --no-deps . \
    && /opt/deliverd/bin/python -m compileall -q /opt/deliverd

FROM docker.io/library/python:3.11-slim
COPY --from=build /opt/deliverd /opt/deliverd
RUN useradd --system --uid 10425 --create-home --home-dir /var/lib/deliverd deliverd
ENV PATH=/opt/deliverd/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER deliverd
WORKDIR /var/lib/deliverd
VOLUME /var/lib/deliverd
EXPOSE 8425
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["deliverd", "health"]
ENTRYPOINT ["deliverd"]
CMD ["run"]
