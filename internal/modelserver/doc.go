// Package modelserver is a stand-in for the model servers that missions call:
// it speaks their wire formats, and is as unpredictable as they are. It is
// something to test with, and never a part of the coo binary.
//
// Texts come from a small n-gram sampler, ids and padding from crypto/rand,
// and the parts of a stream after random delays and in random pieces, so that
// two equal requests get different answers. No answer has anything to do with
// its question.
//
// # Endpoints
//
//	POST /v1/chat/completions                          OpenAI chat completions
//	POST /v1/responses                                 OpenAI responses
//	POST /v1/embeddings                                OpenAI embeddings
//	POST /v1/files                                     OpenAI files: a multipart form
//	POST /v1/messages                                  Anthropic messages
//	POST /v1beta/models/MODEL:generateContent          Gemini
//	POST /v1beta/models/MODEL:streamGenerateContent    Gemini: a JSON array, or SSE with alt=sse
//	POST /api/chat, /api/generate, /api/embed          Ollama: lines of JSON
//	POST /model/MODEL/converse                         Bedrock
//	POST /model/MODEL/converse-stream                  Bedrock: an AWS event stream
//	POST /model/MODEL/invoke                           Bedrock: Anthropic messages
//	POST /model/MODEL/invoke-with-response-stream      Bedrock: those in an AWS event stream
//	GET  /v1/models, /v1beta/models, /api/tags         the names of some models
//
// The OpenAI paths also exist without /v1, the Gemini paths also under /v1. A
// request that offers tools is answered with a call of one of them, its
// arguments made up from the tool's schema, unless the last message is a
// tool's result. A request for JSON is answered with JSON, made up from the
// schema if there is one. Anthropic's models think when asked to, and sign it:
// a thought that comes back must have the signature that it was sent with.
// Token counts are consistent, not a provider's own.
//
// # Misbehaving on request
//
// The header x-sample, or a model named "sample-" and a kind, asks for one of:
//
//	400 … 599      that status; retry-after=SECONDS or retry-after-ms=N (429, 503, 529: a second unless told)
//	cut            half of the answer, then the connection is closed
//	stall          half of the answer, then nothing more
//	silent         nothing at all
//	reset          a TCP reset instead of an answer (HTTP/2: a stream reset)
//	badlength      a Content-Length 64 above the length; with short, 1 below half of it (HTTP/1 only)
//	malformed      a stream with broken events and no end; a plain answer with half of its JSON
//	overloaded     the provider's error event half-way through a stream; a plain answer has status 503 or 529
//	redirect       307 to the same URL and the query parameter sample-hop=1, followed by the answer;
//	               to=ORIGIN to another server, code=301|302|303|307|308, hops=N to be sent on N times
//	echo           the request, in the headers and in the body of the answer (below)
//	big            a JSON string; bytes=N, 1048576 unless told
//	deep           nested JSON arrays; depth=N, 100000 unless told
//	coded          the answer in a content coding that the client takes: zstd, gzip or deflate, or coding=NAME
//	               (cut and stall have it too)
//	loop           one to three calls of tools at once, and half of the time more of them after the results,
//	               until there are 6 results, or results=N
//
// KIND-once misbehaves at the first asking of a request and answers the second
// one, misbehaves at the third, and so on; equal requests have the same
// method, URL and body. Parameters follow a semicolon. Several of these,
// separated by commas, are a list of which the first that applies is taken: a
// redirect that was followed applies no more. So
//
//	x-sample: redirect; to=http://127.0.0.1:9999; code=303, echo; as=text
//
// sends the client elsewhere and there shows what it sent. What the header
// asks for works at any URL and with any method.
//
// # Echo
//
// The body is the request as as=json (an object with method, url, proto,
// headers, body), text (as on the wire, header names lower-case and sorted),
// sse (an event for every line of the text, then one for the body), reply (the
// text in the shape of the endpoint's own answers; the default for the model
// sample-echo), or the text in hex, base64, base64url or percent. The headers
// x-echo-request, x-echo-body (4096 bytes at most) and x-echo-NAME of every
// request header NAME repeat it, with control characters in percent form.
//
//	chunks=3+1+8   the body in flushed pieces of 3, 1, 8, 8, 8 … bytes
//	pad=N          N dots in front of the text, to move it against the base64 alphabet
//	coding=NAME    gzip or deflate; any other name is claimed and not applied
//	trailers       the headers again as trailers
//	names          every header value again in the name of a header, x-echo-name-VALUE
package modelserver
