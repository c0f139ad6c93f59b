//go:build linux

package main

import "runtime"

// A client is one SDK, library or tool, with the agent that uses it.
type client struct {
	name string
	// lock is where its version is pinned: a file beside this one and a
	// name in it. None: the machine's own.
	lock, pkg string
	// argv is the command. $PYTHON, $LITELLM, $NODE, $NODE20, $MODULES and
	// $GOAGENT stand for what tools/clients.sh or the proof made, in env too.
	argv  []string
	files string // what is copied into the workspace: a directory beside this file
	host  string // whom it asks
	env   []string
	// scenes are what the agent performs. A tool that cannot be told to
	// has none, and is asked one thing.
	scenes string
	// heavy clients take seconds of a processor each time: at small n they are
	// recorded and replayed, and that is all.
	heavy bool
	// boxed clients stand for all at level deterministic, at small n.
	boxed bool
	// noBare says why the client cannot do without what coo puts into its
	// environment.
	noBare string
	// placed says why a replay at the level proxied, which works in a copy of
	// the workspace, asks something else.
	placed string
	// unguided says why the client does not take the proxy from its
	// environment, so that the level proxied does not see it.
	unguided string
}

const (
	openaiHost    = "api.openai.com"
	anthropicHost = "api.anthropic.com"
	geminiHost    = "generativelanguage.googleapis.com"
	bedrockHost   = "bedrock-runtime.us-east-1.amazonaws.com"
	agentHost     = "models.example.test"

	basic = "tools stream cut retry fanout"
)

func python(pkg, agent, host, scenes string) client {
	return client{
		name: pkg + " (Python)", lock: "requirements.txt", pkg: pkg, argv: []string{"$PYTHON", agent},
		files: "python", host: host, scenes: scenes,
	}
}

func node(pkg, agent, host, scenes string) client {
	return client{
		name: pkg + " (Node 24)", lock: "package.json", pkg: pkg, argv: []string{"$NODE", agent},
		files: "node", host: host, scenes: scenes,
	}
}

func heavy(c *client) { c.heavy = true }

func inBox(c *client) { c.boxed = true }

// with changes a client.
func (c client) with(change func(*client)) client {
	change(&c)
	return c
}

// clients is the table; docs/programs.md shows it.
var clients = []client{
	python("openai", "openai_agent.py", openaiHost, basic+" responses embed upload").with(heavy).with(inBox),
	python("anthropic", "anthropic_agent.py", anthropicHost, basic+" overloaded").with(heavy),
	python("google-genai", "genai_agent.py", geminiHost, basic).with(heavy),
	python("langgraph", "langgraph_agent.py", openaiHost, basic).with(heavy),
	python("litellm", "litellm_agent.py", openaiHost, basic).with(heavy).with(func(c *client) {
		c.lock = "requirements-litellm.txt"
		// It asks another host for a list of prices when it is imported.
		c.env = []string{"PYTHONPATH=$LITELLM", "LITELLM_LOCAL_MODEL_COST_MAP=True"}
	}),
	python("pydantic-ai-slim", "pydantic_ai_agent.py", openaiHost, basic).with(heavy),
	python("requests", "requests_agent.py", openaiHost, basic+" coded redirected upload"),
	python("httpx", "httpx_agent.py", openaiHost, basic+" coded redirected"),
	python("aiohttp", "aiohttp_agent.py", openaiHost, basic+" coded redirected").with(func(c *client) {
		c.unguided = "a ClientSession takes a proxy from the environment only when made with trust_env=True"
	}),
	python("urllib", "urllib_agent.py", openaiHost, basic).with(func(c *client) {
		c.lock, c.pkg = "", "$PYTHON"
		c.unguided = "its fan-out uses http.client, which knows no proxy variables"
	}),
	python("boto3", "boto3_agent.py", bedrockHost, basic+" overloaded").with(heavy),
	node("openai", "openai_agent.mjs", openaiHost, basic+" embed upload").with(heavy),
	node("@anthropic-ai/sdk", "anthropic_agent.mjs", anthropicHost, basic).with(heavy).with(inBox),
	node("@google/genai", "genai_agent.mjs", geminiHost, basic).with(heavy),
	node("ai", "ai_agent.mjs", openaiHost, basic).with(heavy),
	node("undici", "undici_agent.mjs", openaiHost, basic+" coded").with(func(c *client) {
		c.unguided = "an Agent of its own takes no proxy from the environment"
	}),
	node("axios", "axios_agent.mjs", openaiHost, basic+" coded"),
	node("fetch", "fetch_agent.mjs", openaiHost, basic+" coded").with(func(c *client) { c.pkg = "node24" }),
	node("fetch", "fetch_agent.mjs", openaiHost, basic+" coded").with(func(c *client) {
		c.name, c.pkg, c.argv[0] = "fetch (Node 20)", "node20", "$NODE20"
		c.unguided = "Node below 22.21 has no way to take a proxy from the environment"
	}),
	node("fetch", "fetch_agent.mjs", openaiHost, basic+" coded").with(func(c *client) {
		c.name, c.pkg, c.argv = "fetch (Deno)", "deno", []string{"$MODULES/deno/deno", "run", "-A", "fetch_agent.mjs"}
		c.noBare = "Deno carries its roots in itself, and looks for DENO_CERT when it connects for the first time"
	}).with(inBox),
	node("fetch", "fetch_agent.mjs", openaiHost, basic+" coded").with(func(c *client) {
		c.name, c.pkg, c.argv[0] = "fetch (Bun)", "bun", "$MODULES/bun/bin/bun"
	}).with(inBox),
	{name: "net/http (Go)", pkg: "go", argv: []string{"$GOAGENT"}, files: "goagent", host: openaiHost, scenes: basic, boxed: true},
	{name: "curl", pkg: "curl", argv: []string{"sh", "agent.sh"}, files: "curl", host: openaiHost, scenes: basic, boxed: true},
	{
		name: "qwen-code (npm)", lock: "package.json", pkg: "@qwen-code/qwen-code",
		argv: []string{
			"$NODE", "$MODULES/@qwen-code/qwen-code/cli.js", "--auth-type", "openai", "--yolo",
			"-p", "How high is the tide?",
		},
		files: "qwen", host: agentHost,
		env: []string{
			"OPENAI_BASE_URL=https://" + agentHost + "/v1", "OPENAI_MODEL=sample-loop",
			"QWEN_CODE_SUPPRESS_YOLO_WARNING=1",
		},
		heavy:  true,
		noBare: "not tried: it is a finished program, whose environment is its own once it runs",
		placed: "it tells the model in which directory it is, and a replay at this level is in another",
	},
}

// The ways in which a client is tried.
const (
	guided  = "guided"  // frozen, with coo's variables
	bare    = "bare"    // frozen, the agent removes them
	proxied = "proxied" // by the variables alone
	boxed   = "boxed"   // at level deterministic
)

// ways are those of a client: of three, the hardest first, and boxed.
func (c *client) ways(full bool) []string {
	all := []string{bare, guided, proxied}
	if c.noBare != "" {
		all = all[1:]
	}
	if !full {
		all = all[:1]
	}
	if (full || c.boxed) && runtime.GOARCH == "amd64" {
		all = append(all, boxed)
	}
	return all
}

// keys are the credentials, which no server checks. They are secrets to coo.
var keys = []string{
	"OPENAI_API_KEY=sk-proj-Clients0Proof1Key2Of3OpenAI", "ANTHROPIC_API_KEY=sk-ant-api03-Clients0Proof1Key2",
	"GEMINI_API_KEY=AIzaSyClients0Proof1Key2Of3Gemini4567890",
	"AWS_ACCESS_KEY_ID=AKIACLIENTSPROOF0123", "AWS_SECRET_ACCESS_KEY=Clients0Proof1Secret2Access3Key456789012",
}

// misleading are variables such as many machines have: a proxy, and a bundle
// of roots of the company's own. coo has to see to it that they do no harm.
var misleading = []string{
	"HTTPS_PROXY=http://127.0.0.1:9", "http_proxy=http://127.0.0.1:9", "NO_PROXY=api.openai.com,localhost,*.googleapis.com",
	"SSL_CERT_FILE=$BUNDLE", "REQUESTS_CA_BUNDLE=$BUNDLE", "CURL_CA_BUNDLE=$BUNDLE", "AWS_CA_BUNDLE=$BUNDLE",
	"NODE_EXTRA_CA_CERTS=$BUNDLE",
}
