# One image for every service: the same code and the same lock as a checkout, without what only tests and checks need.
FROM python:3.11-slim-bookworm AS environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/environment
ENV PATH=/opt/environment/bin:$PATH
WORKDIR /app
COPY requirements-development.in requirements.lock ./
RUN pip install --no-deps --only-binary :all: --require-hashes -r requirements.lock \
 && grep -v '^#' requirements-development.in | xargs pip uninstall --yes --quiet
COPY . .
RUN pip install --no-deps --no-build-isolation --no-index --editable . \
 && python -m compileall -q property_credit scoring simulation dags

FROM python:3.11-slim-bookworm
# what prints the monthly reports (property_credit/scorecards/printing)
RUN apt-get update && apt-get install -y --no-install-recommends chromium fonts-noto-cjk && rm -rf /var/lib/apt/lists/*
# the code is root's: what runs cannot change what it runs
RUN useradd --create-home --uid 1000 credit && install -d -o credit -m 0700 /data /data/pages /data/logs
COPY --from=environment /opt/environment /opt/environment
COPY --from=environment /app /app
WORKDIR /app

USER credit
# a container may make no other inside itself; the browser opens our own pages only, offline
ENV CHROMIUM_NO_SANDBOX=1
ENV PATH=/opt/environment/bin:$PATH DATA_DIR=/data DO_NOT_TRACK=1 PYTHONUNBUFFERED=1 \
    GX_ANALYTICS_ENABLED=False DBT_SEND_ANONYMOUS_USAGE_STATS=false
CMD ["property-credit", "--help"]
