# What is done with a clone of Specola. `make help` lists it.
PYTHON ?= python3
VENV := .venv/bin
TESTS ?= tests

# PORT and DATA choose the port (8080) and the data folder of `make run`.
SETTINGS := $(if $(PORT),SPECOLA_BIND=127.0.0.1:$(PORT)) $(if $(DATA),SPECOLA_DATA=$(abspath $(DATA)))

.DEFAULT_GOAL := help
.PHONY: help run setup images check format test test-quick test-lab matrix bench lab lab-down wheel pin clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Install what is missing and start the platform (PORT=8080 DATA=/var/lib/specola)
	@exec env $(SETTINGS) $(VENV)/specola up

setup: ## Install what is missing, without starting anything
	@$(PYTHON) -m scripts.setup run

images: ## Build the demonstration images
	@$(PYTHON) -m scripts.images

check: ## Check format, lint, types, import contracts, sizes, front end, scripts, links, words
	@$(PYTHON) -m scripts.setup check
	@$(VENV)/python -m scripts.check

format: ## Format the code
	@$(VENV)/ruff format --quiet .
	@$(VENV)/ruff check --fix --quiet .

test: ## Run all tests, with real engines, clusters, SSH hosts, database and browser (TESTS=tests/gateway for some)
	@$(PYTHON) -m scripts.setup test
	@$(VENV)/python -m scripts.tests $(TESTS)

matrix: ## Use every protocol on every computing, and write what passed into the documentation
	@$(PYTHON) -m scripts.setup test
	@env SPECOLA_MATRIX=docs/user/matrix.md $(VENV)/python -m scripts.tests tests/matrix

test-lab: ## Run the tests of the lab, whose machines are built the first time
	@$(PYTHON) -m scripts.setup test
	@$(VENV)/python -m scripts.tests tests/lab

test-quick: ## Run the tests that need no container engine, lab, database server or browser
	@$(VENV)/python -m pytest $(TESTS) --ignore=tests/lab -m "not containers and not lab and not browser and not postgres and not slow" --numprocesses 3 --dist loadfile

bench: ## Measure side by side with peers, and print one table
	@$(PYTHON) -m scripts.setup test
	@$(VENV)/python -m bench

lab: ## Bring up SSH hosts, a Slurm cluster, Kubernetes and a registry on this machine, and add them to the platform that runs (needs root)
	@env $(SETTINGS) $(PYTHON) -m lab up --join

lab-down: ## End the lab, remove it from the platform, and remove all it had but what it keeps for the next time
	@env $(SETTINGS) $(PYTHON) -m lab down --join

wheel: ## Build the wheel, with pages, scripts and migrations in it, into dist/
	@$(PYTHON) -m scripts.setup check
	@$(VENV)/python -m scripts.wheel

pin: ## Pin all dependencies anew (needs uv)
	@scripts/pin

clean: ## Remove what was built; data and images stay
	@rm -rf .venv dist src/specola/web/static/dist frontend/node_modules .mypy_cache .ruff_cache .pytest_cache
