# NormLab's images: `api` (no torch), `worker-cpu` and `worker-gpu`. Each is the locked dependencies in /opt/venv plus the source.

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH
RUN groupadd --gid 10001 normlab && useradd --uid 10001 --gid normlab --no-create-home --home-dir /data normlab \
 && install -d -o normlab -g normlab -m 700 /data
WORKDIR /app

FROM base AS build
# The certificates of the image also for uv, so that a company's own authority works like it does for pip.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt UV_LINK_MODE=copy UV_CACHE_DIR=/tmp/uv
COPY requirements.lock pyproject.toml ./
RUN python -m venv /opt/venv \
 && python -m pip install --no-cache-dir --quiet --target /opt/uv --no-deps "$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements.lock)"
ENV INSTALL="/opt/uv/bin/uv pip install --quiet --no-cache --python /opt/venv/bin/python --verify-hashes --constraint requirements.lock --requirement pyproject.toml"

FROM build AS build-api
RUN $INSTALL

# torch by pip, alone: a CPU build is taken where pip finds one (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL), else the index's
# build, which brings CUDA. What torch itself wants follows from the metadata of the build that was taken.
FROM build AS build-worker
ARG PIP_EXTRA_INDEX_URL=
RUN python -m pip install --no-cache-dir --no-deps "$(sed -n 's/^\(torch==[^ ;]*\).*/\1/p' requirements.lock)" && $INSTALL --extra worker

FROM base AS source
COPY api api
COPY cli cli
COPY domain domain
COPY lncore lncore
COPY migrations migrations
COPY studies studies
COPY worker worker
COPY pyproject.toml README.md ./

FROM base AS api
LABEL org.opencontainers.image.title="NormLab API" org.opencontainers.image.licenses="MIT"
COPY --from=build-api /opt/venv /opt/venv
COPY --from=source /app /app
USER 10001
VOLUME /data
EXPOSE 8787
CMD ["python", "-m", "api.main"]

FROM base AS worker-cpu
LABEL org.opencontainers.image.title="NormLab worker (CPU)" org.opencontainers.image.licenses="MIT"
# OpenMP for numba and torch.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build-worker /opt/venv /opt/venv
COPY --from=source /app /app
USER 10001
VOLUME /data
CMD ["python", "-m", "worker.main"]

# The same worker where the NVIDIA runtime hands it a GPU.
FROM worker-cpu AS worker-gpu
LABEL org.opencontainers.image.title="NormLab worker (GPU)"
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
