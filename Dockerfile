# A service of mmrec: `docker build -t mmrec .`. It holds the program alone; the run, its data and secrets are mounted: see compose.yaml.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
ARG UV_VERSION=0.13.9
ARG EXTRAS=serve,postgres,pictures,graph,ann
RUN pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE constraints.txt ./
COPY conf conf
COPY data_modules data_modules
COPY mmrec mmrec
RUN uv build --wheel --build-constraint constraints.txt --out-dir /wheels
# With `cpu`, torch comes without the CUDA libraries, which are some gigabytes. Hashes in constraints.txt are checked: it has that of the
# build of torch for the CPU on linux/amd64, but not those of other packages in the same place, so that torch is installed alone.
RUN uv venv /opt/mmrec \
 && uv pip install --no-cache --python /opt/mmrec/bin/python --torch-backend cpu -c constraints.txt torch \
 && uv pip install --no-cache --compile-bytecode --python /opt/mmrec/bin/python \
      -c constraints.txt "mmrec[${EXTRAS}] @ file://$(ls /wheels/*.whl)"

FROM ${BASE}
RUN groupadd --gid 10001 mmrec \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin mmrec \
 && install -d -m 0755 /runs /data \
 && install -d -m 1777 /cache
COPY --from=build /opt/mmrec /opt/mmrec
ENV PATH=/opt/mmrec/bin:$PATH \
    HOME=/tmp \
    MMREC_CACHE=/cache \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["mmrec", "serve", "host=0.0.0.0", "paths.runs=/runs"]
# Without keys, nothing is served to a network: `mmrec key` makes this file.
CMD ["api_keys=/run/secrets/api_keys"]
