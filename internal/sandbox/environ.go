package sandbox

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/wire"
)

// An Environment is what a program sees, and what a record keeps of it.
type Environment struct {
	Env        []string    // NAME=value, as the program gets it
	Recorded   [][2]string // sorted by name; a secret stands in a value as "<secret NAME>"
	Unrecorded []string    // names of the others, sorted: a replay drops them
}

// Environ makes a program's environment from base. The variables called
// secrets are credentials: the program gets the placeholder of the name
// ([wire.Placeholder]), also where another variable holds the value, as in
// "Bearer …". Of signing keys ([SigningKey]) it gets the value. Variables
// called also are recorded beside those that always are ([Recorded]).
func Environ(base, secrets, also []string) Environment {
	var e Environment
	hidden := secretValues(base, secrets)
	for _, kv := range base {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			continue
		}
		isSecret := slices.Contains(secrets, name)
		seen, kept := value, "<secret "+name+">"
		switch {
		case isSecret && !SigningKey(name):
			seen = wire.Placeholder(name)
		case !isSecret:
			seen, kept = hide(value, hidden)
		}
		e.Env = append(e.Env, name+"="+seen)
		switch {
		case own(name):
		case (isSecret || Recorded(name, also)) && utf8.ValidString(kept):
			e.Recorded = append(e.Recorded, [2]string{name, kept})
		default:
			e.Unrecorded = append(e.Unrecorded, name)
		}
	}
	slices.SortFunc(e.Recorded, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	slices.Sort(e.Unrecorded)
	return e
}

// Restore makes the environment of a replay: the recorded variables, with the
// placeholders of secrets, and nothing else.
func Restore(recorded [][2]string, secrets []string) []string {
	env := make([]string, 0, len(recorded))
	placeholder := func(name string) (string, error) { return wire.Placeholder(name), nil }
	for _, v := range recorded {
		value, err := wire.ParseText(v[1], secrets).Reveal(placeholder)
		if err != nil {
			panic("sandbox: internal error: " + err.Error()) // placeholders need no escape
		}
		env = append(env, v[0]+"="+value)
	}
	return env
}

// SigningKey reports whether a variable holds what a client signs requests
// with, or the name of it that the signature covers. A placeholder could not be replaced in a signature: the program holds
// the value itself.
func SigningKey(name string) bool {
	return name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_SESSION_TOKEN" || name == "AWS_SECURITY_TOKEN"
}

// FileName reports whether a value is the path of a file that is there.
// Variables such as GOOGLE_APPLICATION_CREDENTIALS name where a credential is
// and are none.
func FileName(value string) bool {
	if !filepath.IsAbs(value) {
		return false
	}
	_, err := os.Stat(value)
	return err == nil
}

type secretValue struct{ name, value string }

// secretValues returns the values of secrets, the longest first: a value may
// be part of another.
func secretValues(base, secrets []string) []secretValue {
	var found []secretValue
	for _, kv := range base {
		name, value, _ := strings.Cut(kv, "=")
		if slices.Contains(secrets, name) && len(value) >= wire.MinSecret {
			found = append(found, secretValue{name, value})
		}
	}
	slices.SortStableFunc(found, func(a, b secretValue) int {
		return cmp.Or(len(b.value)-len(a.value), strings.Compare(a.name, b.name))
	})
	return found
}

// hide replaces secrets in the value of a variable that is not called one.
func hide(value string, secrets []secretValue) (seen, kept string) {
	seen, kept = value, value
	for _, s := range secrets {
		if strings.Contains(seen, s.value) {
			seen = strings.ReplaceAll(seen, s.value, wire.Placeholder(s.name))
			kept = strings.ReplaceAll(kept, s.value, "<secret "+s.name+">")
		}
	}
	return seen, kept
}

// recordedNames are variables that change what programs do everywhere in the
// same way. A final or leading "*" stands for anything.
var recordedNames = []string{
	"PATH", "HOME", "LANG", "LANGUAGE", "LC_*", "TZ",
	"TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PY_COLORS", "CI",
	"PYTHON*", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYENV_VERSION", "PYTEST_ADDOPTS", "OMP_NUM_THREADS",
	"NODE_*", "DENO_*", "BUN_*", "TSX_*", "GOFLAGS", "GODEBUG", "GOMAXPROCS", "GOPATH", "GOROOT",
	"JAVA_HOME", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "RUBYOPT", "RUBYLIB", "GEM_HOME", "PERL5LIB", "RUST_BACKTRACE",
	"LD_LIBRARY_PATH", "ASDF_*_VERSION",
	"*_BASE_URL", "*_API_BASE", "*_BASE_URI", "*_ENDPOINT", "*_ENDPOINT_URL", "AWS_ENDPOINT_URL_*", "OLLAMA_HOST", "OPENAI_HOST", "ANTHROPIC_HOST",
	"*_API_VERSION", "*_MODEL", "*_MODEL_NAME", "*_MODEL_ID", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID",
	"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_GENAI_USE_VERTEXAI",
	"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLOUD_ML_REGION",
}

// Recorded reports whether the value of a variable that is no secret is
// recorded, and so restored by a replay.
func Recorded(name string, also []string) bool {
	if own(name) {
		return false
	}
	return slices.Contains(also, name) || matches(recordedNames, name)
}

// sessionNames are variables that are about who sits where, and hardly ever
// about what a program is to do.
var sessionNames = []string{
	"_", "SHELL", "SHLVL", "PWD", "OLDPWD", "USER", "USERNAME", "LOGNAME", "MAIL", "HOSTNAME", "HOSTTYPE", "OSTYPE", "MACHTYPE",
	"EDITOR", "VISUAL", "PAGER", "LESS*", "LS_COLORS", "HIST*", "PS1", "PS2", "PROMPT*", "DEBIAN_FRONTEND",
	"XDG_*", "DBUS_*", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "WINDOWID", "DESKTOP_SESSION", "SSH_*", "GPG_*", "TMUX*", "STY",
	"TERM_*", "VSCODE_*", "SYSTEMD_*", "INVOCATION_ID", "JOURNAL_STREAM", "TMPDIR", "TMP", "TEMP", "MAKE*", "MFLAGS",
	"GITHUB_*", "RUNNER_*", "ACTIONS_*",
}

// OfSession reports whether a program is hardly ever told what to do by a
// variable.
func OfSession(name string) bool {
	return own(name) || matches(sessionNames, name)
}

// matches reports whether one of the patterns fits: a "*" at one end of it
// stands for anything.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		before, after, wild := strings.Cut(pattern, "*")
		if !wild {
			return name == pattern
		}
		return len(name) > len(before)+len(after) && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
	})
}

// own reports whether a variable is one that coo sets or removes by itself.
func own(name string) bool {
	return name == "PWD" || slices.Contains(proxyVariables, name) || slices.Contains(bundleVariables, name) || slices.Contains(caVariables, name)
}
