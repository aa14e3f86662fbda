# One image for every service: the same code and the same lock as a checkout.
FROM python:3.11-slim-bookworm

# what prints the monthly reports (scorecards/printing)
RUN apt-get update && apt-get install -y --no-install-recommends chromium fonts-noto-cjk && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 credit
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r requirements.lock
COPY --chown=credit . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --no-index --editable . \
 && mkdir -p /data && chown credit /data

USER credit
# a container may make no other inside itself; the browser opens our own pages only, offline
ENV CHROMIUM_NO_SANDBOX=1
ENV DATA_DIR=/data DO_NOT_TRACK=1 PYTHONUNBUFFERED=1 \
    GX_ANALYTICS_ENABLED=False DBT_SEND_ANONYMOUS_USAGE_STATS=false
CMD ["property-credit", "--help"]
