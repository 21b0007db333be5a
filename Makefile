# Everything from a bare checkout to a report. Each target sets up what is missing first; doing it again costs seconds.
#   make build    the release program at build/circuitdiff
#   make demo     build, then the whole pipeline on the shipped checkpoints, ending with a report
#   make test     build, then every test
#   make models   build, then train the tiny family anew, into runs/models (SEEDS=1 2 3; minutes a seed)
#   make bench    attribution, tokenizers and a training step beside what else does them, in a venv of their own (about ten minutes)
# Settings, given as `make build NAME=VALUE`:
#   TORCH_ROOT    a folder with libtorch's include/ and lib/ instead of the torch wheel that setup fetches
#   CUDA          ON, OFF or AUTO (default): link libtorch's CUDA half; ON makes setup fetch its libraries too
#   JOBS          compile jobs at once (default: by processors and free memory)
#   BENCH_VENV    the peers' venv of `make bench`; TOKENIZERS: folders whose tokenizers it times; RESULTS: the file its rows go to
TORCH_ROOT ?=
CUDA ?= AUTO
SEEDS ?= 1
JOBS ?= $(shell scripts/jobs.sh)

configure = cmake --preset release --log-level=NOTICE -DCIRCUITDIFF_CUDA=$(CUDA) -DTORCH_ROOT="$(TORCH_ROOT)"

.PHONY: build demo test models bench setup clean

build: setup
	$(configure)
	cmake --build --preset release --target circuitdiff -j $(JOBS)

demo: build
	scripts/demo.sh build/circuitdiff

test: build
	cmake --build --preset release -j $(JOBS)
	ctest --preset release -j $(JOBS)

models: build
	scripts/models.sh build/circuitdiff $(SEEDS)

BENCH_VENV ?= build/bench-peers
TOKENIZERS ?= $(or $(patsubst %/tokenizer.json,%,$(wildcard ../shared/tokenizers/*/tokenizer.json)),models/arith-sft)
RESULTS ?= build/bench-results.jsonl
bench: build
	cmake --build --preset release --target eap_bench -j $(JOBS)
	BENCH_VENV=$(BENCH_VENV) bench/peers/attribution.sh build/bench/eap_bench 0.5b 160 60 3 $(RESULTS)
	$(BENCH_VENV)/bin/python bench/peers/tokenizers_speed.py build/circuitdiff $(TOKENIZERS) --rounds 3 --json $(RESULTS)
	$(BENCH_VENV)/bin/python bench/peers/grpo_compare.py build/circuitdiff $(BENCH_VENV)/bin/python --threads 1 --json $(RESULTS)

setup:
	@TORCH_ROOT="$(TORCH_ROOT)" CIRCUITDIFF_CUDA="$(CUDA)" scripts/setup.sh

clean:
	rm -rf build build-*
