# One image for every service: the same code and the same lock as a checkout.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 credit
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r requirements.lock
COPY --chown=credit . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --no-index --editable . \
 && mkdir -p /data && chown credit /data

USER credit
ENV DATA_DIR=/data DO_NOT_TRACK=1 PYTHONUNBUFFERED=1 \
    GX_ANALYTICS_ENABLED=False DBT_SEND_ANONYMOUS_USAGE_STATS=false
CMD ["property-credit", "--help"]
