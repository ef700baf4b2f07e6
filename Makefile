# make install   the package in .venv, at the versions of constraints.txt
# make demo      20,000 simulated users through the whole flow, to four pages in demo/
# make papers    both papers' tables and figures, to pages in reproduction/ (hours; the series of the second in SERIES=file.csv)
# make test      style, types and tests

PYTHON ?= python3
# Options for pip, such as the index of PyTorch's CPU builds where the usual one would bring gigabytes for GPUs:
#     make install PIP_ARGS="--extra-index-url ..."
PIP_ARGS ?=
USERS ?= 20000
BIN := .venv/bin
STAMP := .venv/.installed
HABITUS := $(BIN)/habitus

.PHONY: install demo papers test types compiled clean

install: $(STAMP)

# Again only when what is asked for has changed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "habitus needs Python 3.11 or newer; give one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv > /dev/null || \
	    { rm -rf .venv; echo "cannot make .venv; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "installing into .venv (a few minutes the first time)"
	@$(BIN)/pip install -qq --disable-pip-version-check $(PIP_ARGS) --constraint constraints.txt --editable '.[test]'
	@touch $@

demo: $(STAMP)
	rm -rf demo
	$(HABITUS) simulate --users $(USERS) --days 32 --seed 0 --out demo/events.parquet
	$(HABITUS) profile demo/events.parquet --user user_id --time timestamp --channel platform \
	    --start 2018-02-01 --days 32 --timezone UTC --out demo/profiles
	$(HABITUS) describe demo/profiles
	$(HABITUS) split demo/profiles --test 0.26 --seed 0 --out demo/train demo/test
	$(HABITUS) fit demo/train --model rhythm --epochs 4 --seed 0 --out demo/runs/rhythm
	$(HABITUS) generate demo/runs/rhythm --users 5000 --seed 1 --out demo/generated
	$(HABITUS) evaluate demo/generated --against demo/test --train demo/train --two-sample \
	    --json demo/metrics.json --html demo/report.html
	$(HABITUS) generate demo/runs/rhythm --users 500 --seed 1 --as events --start 2027-01-04 --out demo/made.parquet
	$(HABITUS) fit demo/train --model beta-vae --set beta=0.1 --epochs 10 --seed 0 --out demo/runs/vae
	$(HABITUS) traverse demo/runs/vae --out demo/traversal.png
	$(HABITUS) explain demo/runs/vae demo/train --factors demo/events.factors.parquet --hours preferred_hour \
	    --json demo/explained.json --html demo/explained.html
	$(HABITUS) cluster demo/runs/vae demo/train --k auto --out demo/cohorts
	$(HABITUS) fit demo/train --model context-mixture --epochs 3 --seed 0 --out demo/runs/mixture
	$(HABITUS) complete demo/runs/mixture demo/test --mask bottom --samples 20 --seed 0 --out demo/completed
	$(HABITUS) evaluate demo/completed --against demo/test --train demo/train --region bottom --most 1000 \
	    --json demo/completed.json --html demo/completed.html
	$(HABITUS) forecast demo/runs/mixture demo/test --days 7 --samples 50 --seed 0 --out demo/forecast
	@echo "open demo/report.html, demo/explained.html, demo/cohorts/cohorts.html and demo/completed.html"

# What was fitted before is kept, so that a run that was stopped goes on.
papers: $(STAMP)
	test -d reproduction/train || { \
	    $(HABITUS) simulate --users $(USERS) --days 32 --seed 0 --out reproduction/events.parquet && \
	    $(HABITUS) profile reproduction/events.parquet --user user_id --time timestamp --channel platform \
	        --start 2018-02-01 --days 32 --timezone UTC --out reproduction/profiles && \
	    $(HABITUS) split reproduction/profiles --test 0.26 --seed 0 --out reproduction/train reproduction/test; }
	$(HABITUS) reproduce time-pictures --all --data reproduction/train reproduction/test --out reproduction/time-pictures
	$(if $(SERIES),$(HABITUS) reproduce tdlgm --all --data $(SERIES) --out reproduction/tdlgm)

# Two processes share two cores best with a thread each. Python keeps what it compiled, or each process that tests
# start would compile everything again.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --quiet

test: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@$(MAKE) --no-print-directory --jobs 2 types compiled
	$(PYTEST) -n 2 --dist worksteal

types: $(STAMP)
	$(BIN)/pyright

# In a fresh checkout the loops of Rhythm's sampler are compiled, which both processes would do at the same time.
compiled: $(STAMP)
	$(PYTEST) -n 0 tests/models/rhythm/test_log_probs.py

clean:
	rm -rf .venv demo
	find src -name '*.nb[ic]' -delete
