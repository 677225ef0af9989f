# The package as `npm run build` makes it, with production dependencies only, as user 1337: the one redirection exempts.
FROM node:26-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY bin bin
COPY src src
# The image's own Node builds; the development dependency of that name is for checkouts.
RUN node scripts/build.ts

FROM node:26-bookworm-slim AS production
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# koffi needs its script to put the prebuilt library in place; nothing else runs one.
RUN npm ci --omit=dev --ignore-scripts && npm rebuild koffi

FROM node:26-bookworm-slim
# iptables is for the init container; the sidecar itself needs no privileges.
RUN apt-get update && apt-get install -y --no-install-recommends iptables \
  && rm -rf /var/lib/apt/lists/* \
  && groupadd --gid 1337 istio-proxy \
  && useradd --uid 1337 --gid 1337 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin istio-proxy
WORKDIR /opt/sallyport
COPY --from=production /src/node_modules node_modules
COPY --from=build /src/dist dist
COPY package.json LICENSE ./
COPY bin bin
COPY iptables iptables
ENV NODE_ENV=production
USER 1337:1337
ENTRYPOINT ["node", "--single-threaded-gc", "--max-semi-space-size=4", "/opt/sallyport/bin/sallyport.js"]
CMD ["--help"]
