# Every target is one script; each prints what it does.
.PHONY: build check test prove shams machines release bench artefacts

build: ## the static binary, bin/coo
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/coo ./cmd/coo

check: ## formatting, vet, staticcheck, tidy modules, builds for other systems
	./tools/check.sh

test: ## everything, every proof at small n
	./tools/test.sh small

prove: ## every proof at full n; the output belongs in docs/evidence/
	./tools/test.sh full

machines: ## the same bytes on other machines and in other surroundings
	./tools/machines.sh

release: ## make release VERSION=v0.1.0: archives, wheels and SHA256SUMS in dist/
	go run -C tools ./release -version "$(VERSION)"

bench: ## the figures of docs/performance.md
	./bench/run.sh

artefacts: ## the demo's pack, example and transcript; on a yes: make artefacts YES=1
	./tools/artefacts.sh "$(YES)"
