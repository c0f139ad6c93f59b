module github.com/coo-runtime/coo/bench

go 1.26.0

require (
	github.com/coo-runtime/coo v0.0.0
	golang.org/x/sys v0.49.0
	gopkg.in/dnaeon/go-vcr.v4 v4.0.7
)

require (
	github.com/andybalholm/brotli v1.2.8 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	go.starlark.net v0.0.0-20260908191801-89a6a09411d5 // indirect
	go.yaml.in/yaml/v4 v4.0.0-rc.6 // indirect
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/coo-runtime/coo => ../
