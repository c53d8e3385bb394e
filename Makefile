# Everything a person or CI does with the project. Needs python3 (3.8 or newer), make and a package registry;
# uv, Python 3.13 and all tools come by themselves, into .uv/ and .venv/, from uv.lock.

UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' uv.requirements.txt)
UV := $(CURDIR)/.uv/$(UV_VERSION)/bin/uv
RUNNABLE := .venv/.runnable
SYNCED := .venv/.synced
BIN := .venv/bin
# Its eighty packages are none of ours: uv keeps them in an environment of their own, as of the day this version came out.
CHECKOV := $(UV) tool run --quiet --isolated --from checkov==3.2.497 checkov
PYTHON := PYTHONPATH=shared:. $(BIN)/python

ARCHITECTURE ?= arm64
HOST_ARCHITECTURE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
STAGE ?= dev
# One test process more than cores: many tests wait for a server, a browser or a clock.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) + 1)))
CHECKED := shared functions local local_aws deployment rehearsal tests bench scripts

export UV
export SAM_CLI_TELEMETRY := 0
# cfn-lint, sam and the tests want a region to check against; any will do. Never what deploys: that takes the person's own.
lint-template test: export AWS_DEFAULT_REGION ?= eu-west-1
# Cached bytecode halves the second start of everything below.
unexport PYTHONDONTWRITEBYTECODE
# uv would warn that another environment is active.
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo seed listen migrate test lint lint-python lint-template lint-requirements lint-web audit format \
	openapi requirements build sbom bench deploy secret rotate smoke destroy rehearse invoke clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

## Use

run: $(RUNNABLE) ## start the whole stack on this machine (PORT=8123 chooses the port)
	@$(PYTHON) -m local run

demo: $(RUNNABLE) ## send one file through the running stack (IMAGE=photo.jpg, AUDIO=speech.wav, or a picture of its own)
	@$(PYTHON) -m local demo "$(IMAGE)" "$(AUDIO)"

seed: $(RUNNABLE) ## put the fixed example data into the local database
	@$(PYTHON) -m local seed

listen: $(RUNNABLE) ## be the backend that WEBHOOK_URL=http://127.0.0.1:9000 make run tells; print what it is told
	@$(PYTHON) -m local listen

migrate: $(RUNNABLE) ## bring the database of DATABASE_URL, or the local one, up to date
	@$(PYTHON) -m local migrate

## Work

test: $(SYNCED) node_modules/.installed ## run the tests (ARGS="tests/unit -k name")
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: lint-python lint-template lint-requirements lint-web ## check style, types, template, state machine, requirements

lint-python: $(SYNCED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CHECKED)
	PYTHONPATH=shared:. $(BIN)/lint-imports --no-logo

# The second cfn-lint and checkov see what SAM makes of the template for prod, which has all that the others have: policies,
# routes and the canary exist only there (SAM uses up some parameters, mappings and conditions, hence the ignored checks).
# cfn-lint does not read the state machine, whose Resources are placeholders until deployment (hence no URI check).
lint-template: $(SYNCED)
	$(BIN)/cfn-lint template.yaml deployment/*/*.yaml
	$(PYTHON) -m scripts.translate .aws-sam/translated.json Stage=prod
	$(BIN)/cfn-lint --ignore-checks W2001 W7001 W8001 --template .aws-sam/translated.json
	$(CHECKOV) --config-file .checkov.yaml --file .aws-sam/translated.json
	$(BIN)/statelint --ignore=FLOAT,URI statemachines/process_image.asl.json statemachines/analyse_recording.asl.json

lint-requirements: $(SYNCED)
	$(PYTHON) -m scripts.requirements --check

lint-web: node_modules/.installed
	PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent check

audit: $(SYNCED) ## hold every locked package against the known advisories, where their services can be reached
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PYTHON) -m scripts.audit

format: $(SYNCED) node_modules/.installed ## format the code and repair what ruff and biome can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent format

openapi: $(SYNCED) node_modules/.installed ## write the OpenAPI document from the functions' own routes, and the client's types from it
	$(PYTHON) -m scripts.openapi
	PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent types

requirements: $(SYNCED) ## export layers/*/requirements.txt from uv.lock
	$(PYTHON) -m scripts.requirements

## Ship

build: $(SYNCED) node_modules/.installed ## package functions and layers (ARCHITECTURE=arm64, as deployed, or x86_64)
	@PYTHONHASHSEED=0 $(PYTHON) -m scripts.build --architecture $(ARCHITECTURE)

DEPLOYMENT := $(PYTHON) -m deployment

deploy: build ## deploy to AWS and try it (STAGE=dev, staging or prod; REGION, ARCHITECTURE, SAMCONFIG)
	@$(DEPLOYMENT) deploy --stage $(STAGE) --region "$(REGION)" --architecture $(ARCHITECTURE)

secret: $(SYNCED) ## make the stage's secrets, or change those given (DATABASE_URL=… make secret STAGE=dev)
	@$(DEPLOYMENT) secret --stage $(STAGE) --region "$(REGION)"

rotate: $(SYNCED) ## bring changed secrets to the functions (STAGE)
	@$(DEPLOYMENT) rotate --stage $(STAGE) --region "$(REGION)"

smoke: $(SYNCED) ## try a deployed stack from outside (URL=https://…)
	@$(DEPLOYMENT) smoke --url "$(URL)"

destroy: $(SYNCED) ## take a stage down, and say what stays (STAGE)
	@$(DEPLOYMENT) destroy --stage $(STAGE) --region "$(REGION)"

rehearse: $(SYNCED) node_modules/.installed ## go through all of these on an AWS of this machine, without an account
	@PYTHONHASHSEED=0 $(PYTHON) -m scripts.build --architecture $(HOST_ARCHITECTURE)
	@$(PYTHON) -m rehearsal

invoke: $(SYNCED) node_modules/.installed ## one function in Lambda's own container image, with Docker (FUNCTION=ImageJobsStatusFunction)
	@PYTHONHASHSEED=0 $(PYTHON) -m scripts.build --architecture $(HOST_ARCHITECTURE)
	$(BIN)/sam local invoke $(FUNCTION) --event $(or $(EVENT),events/$(FUNCTION).json) \
		--config-file $(CURDIR)/samconfig.toml --template-file $(call BUILT,$(HOST_ARCHITECTURE)) \
		--env-vars $(or $(INLET_DIRECTORY),.inlet)/env.json --parameter-overrides Architecture=$(HOST_ARCHITECTURE)

# arm64, which is deployed, lies where sam looks; another architecture beside it.
BUILT = .aws-sam/$(if $(filter arm64,$(1)),build,$(1)/build)/template.yaml

sbom: $(SYNCED) ## write the bill of materials of what is deployed to .aws-sam/sbom.json
	@mkdir -p .aws-sam
	@$(UV) export --quiet --locked --preview-features sbom-export --format cyclonedx1.5 --output-file .aws-sam/sbom.json \
		--no-default-groups --group core --group imaging --group generation --group media --group speech \
		--group analytics --group site
	@echo ".aws-sam/sbom.json"

bench: $(SYNCED) node_modules/.installed ## measure everything, in ratios (ONLY="init image_jobs memory cost imaging …" chooses)
	@PYTHONHASHSEED=0 $(PYTHON) -m bench $(ONLY)

clean: ## remove what was built and what the local stack keeps; tools stay
	rm -rf .aws-sam .inlet .mypy_cache .pytest_cache .ruff_cache .hypothesis

## Tools

UV_FROM_PIP := --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement uv.requirements.txt

# An uv of the right version on PATH is used as it is; a machine whose venv lacks pip (Debian splits it off) uses pip alone.
$(UV):
	@echo "Fetching uv $(UV_VERSION) into .uv/"
	@rm -rf .uv
	@if uv --version 2>/dev/null | grep -q '^uv $(UV_VERSION)\b'; then \
		mkdir -p $(@D) && ln -s "$$(command -v uv)" $@; \
	elif python3 -c 'import ensurepip, venv' 2>/dev/null; then \
		python3 -m venv $(@D)/.. && $(@D)/python -m pip install $(UV_FROM_PIP); \
	elif python3 -m pip --version >/dev/null 2>&1; then \
		python3 -m pip install --target $(@D)/.. $(UV_FROM_PIP); \
	else \
		echo "python3 has neither venv nor pip: install one of them (Debian: python3-venv), or uv $(UV_VERSION)" >&2; exit 1; \
	fi
	@test -x $@

# node and npm come from a wheel in uv.lock. No package needs its install script, and none is let run one.
node_modules/.installed: package.json package-lock.json $(SYNCED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --ignore-scripts --silent --no-audit --no-fund
	@touch $@

# `make run` waits only for what it needs; inexact, so that it does not take away what the other targets brought.
$(RUNNABLE): pyproject.toml uv.lock .python-version $(UV)
	@$(UV) sync --locked --quiet --inexact --no-default-groups --group run
	@touch $@

$(SYNCED): pyproject.toml uv.lock .python-version $(UV)
	@$(UV) sync --locked --quiet
	@touch $@ $(RUNNABLE)
