#!/bin/sh
# curl, with as much of a shell as it takes.
#
#	agent.sh [--bare]
#
# It needs no other program but sed and rm.
set -eu
case "${1-}" in
--bare)
	unset HTTP_PROXY http_proxy HTTPS_PROXY https_proxy ALL_PROXY all_proxy NO_PROXY no_proxy
	unset SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE
	;;
esac
url=${AGENT_BASE:-https://api.openai.com}/v1/chat/completions
key="authorization: Bearer $OPENAI_API_KEY"
json="content-type: application/json"
tool='{"type":"function","function":{"name":"tide","parameters":{"type":"object","properties":{"day":{"type":"integer"}},"required":["day"]}}}'
ask='{"role":"user","content":"How high is the tide today?"}'

echo "== tools"
first=$(curl -sS -H "$key" -H "$json" -d "{\"model\":\"gpt-5\",\"messages\":[$ask],\"tools\":[$tool]}" "$url")
id=$(printf '%s' "$first" | sed -n 's/.*"id":"\(call_[A-Za-z0-9]*\)".*/\1/p')
[ -n "$id" ]
echo "$id"
call="{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"$id\",\"type\":\"function\",\"function\":{\"name\":\"tide\",\"arguments\":\"{}\"}}]}"
curl -sS -H "$key" -H "$json" -d "{\"model\":\"gpt-5\",\"messages\":[$ask,$call,{\"role\":\"tool\",\"tool_call_id\":\"$id\",\"content\":\"4 m\"}],\"tools\":[$tool]}" "$url"

echo
echo "== stream"
curl -sSN -H "$key" -H "$json" -d "{\"model\":\"gpt-5\",\"messages\":[$ask],\"stream\":true}" "$url"

echo "== cut"
status=0
curl -sSN -H "$key" -H "$json" -d "{\"model\":\"sample-cut\",\"messages\":[$ask],\"stream\":true}" "$url" 2>/dev/null || status=$?
echo
# 18: a part of the file; 92: a stream of HTTP/2 that was not closed cleanly.
[ "$status" = 18 ] || [ "$status" = 92 ]
echo "$status"

echo "== retry"
# What curl says about it goes to stderr and tells the time it waits.
both=$(curl -sS --retry 3 --retry-delay 1 -H "$key" -H "$json" -d "{\"model\":\"sample-429-once\",\"messages\":[$ask]}" "$url" 2>/dev/null)
echo "$both"
case "$both" in *rate_limit_exceeded*chat.completion*) ;; *) exit 1 ;; esac

echo "== fanout"
set --
for i in 0 1 2 3 4 5 6 7; do
	[ "$i" = 0 ] || set -- "$@" --next
	set -- "$@" -sS -H "$key" -H "$json" -d "{\"model\":\"gpt-5\",\"messages\":[{\"role\":\"user\",\"content\":\"Question $i\"}]}" -o "fanout$i.json" "$url"
done
curl --no-progress-meter -sSZ --parallel-immediate "$@"
for i in 0 1 2 3 4 5 6 7; do
	sed 's/$//' "fanout$i.json"
	echo
	rm "fanout$i.json"
done
echo "== end"
