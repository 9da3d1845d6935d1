# The service on PostgreSQL (TOXGRADE_DATABASE_URL=postgresql+psycopg://…) or on SQLite in /data.

FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements-build.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY alembic alembic
COPY app app
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim
# A volume takes over the owner of the folder that it covers.
RUN useradd --system --uid 10001 --create-home --home-dir /data toxgrade \
    && install --directory --owner=toxgrade --mode=700 /data/batches
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock && rm requirements.lock
COPY --from=build /wheels /wheels
# pip compiles what it installs. Python's own modules come without; the user who serves cannot write.
RUN pip install --no-cache-dir --no-deps /wheels/*.whl && rm -r /wheels \
    && python -m compileall -q -x site-packages "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
USER toxgrade
WORKDIR /data
VOLUME /data
ENV TOXGRADE_HOST=0.0.0.0 \
    TOXGRADE_PORT=8000 \
    TOXGRADE_DATABASE_URL=sqlite:////data/toxgrade.db \
    TOXGRADE_BATCHES_DIR=/data/batches
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"TOXGRADE_PORT\"]}/readyz')"]
# Migrates the database, then serves. `docker exec … toxgrade keys create NAME` makes a key.
CMD ["toxgrade", "serve"]
