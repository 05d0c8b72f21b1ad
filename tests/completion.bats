# Completion: what the option tables say is what a shell offers.  The functions are driven as the shell drives them, and
# both shells by keys on a pseudo-terminal.
load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir files && cd files || return 1
	touch 'model one.llmc' calib.tok
	mkdir directory
	llmc completion bash >../llmc.bash
}
# offered WORD...: what TAB behind the last word, which may be empty, would offer in bash; sorted, on one line.
# '=' is a word of its own there.
offered() {
	bash --norc --noprofile -c '. ../llmc.bash
		read -r _ _ function _ < <(complete -p "$1")
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
		"$function" "$1" "${*: -1}" "${*: -2:1}"
		printf "%s\n" "${COMPREPLY[@]}" | sort | paste -sd " "' complete "$@"
}
offers() {      # offers 'A B' WORD...
	local got
	got=$(offered "${@:2}")
	printf '$ %s<TAB>\noffered: %s\nwanted:  %s\n' "${*:2}" "$got" "$1"
	[ "$got" = "$1" ]
}

@test "bash: tools, verbs and the words of llmc itself" {
	offers "$( (tools | sed s/llmc-//; echo 'help recipe completion' | tr ' ' '\n') | sort | paste -sd ' ')" llmc ''
	offers 'gptq' llmc g
	offers 'gen kl logits ppl' llmc eval ''
	offers 'ppl' llmc-eval p
	offers 'recipe' llmc rec
	offers 'sweep' llmc recipe s
	offers 'rules' llmc recipe r
	offers 'w4a16-gptq w4a16-rtn' llmc recipe w
	offers 'bash zsh' llmc completion ''
	offers 'options' llmc help o
	offers '--help --version' llmc --
}

@test "bash: every option in a tool's help is offered, and no other" {
	for t in $(tools); do
		verbs=$("$t" --help | awk '/ is one of$/ { on = 1; next } on && /^  [a-z]/ { print $1; next } { on = 0 }')
		for v in '' $verbs; do
			# shellcheck disable=SC2086     # none, or one
			"$t" $v --help | grep -oE '^ {2,6}(-[[:alnum:]], )?--[[:alnum:]-]+' | tr -d ' ' | tr , '\n' |
				sort >../help
			# shellcheck disable=SC2086
			offered "$t" $v - | tr ' ' '\n' | sort >../offered
			[ -s ../help ]
			diff ../help ../offered || { echo "of $t $v"; bad=1; }
			# shellcheck disable=SC2086
			offered llmc "${t#llmc-}" $v - | tr ' ' '\n' | sort | cmp - ../offered
		done
	done
	[ -z "${bad-}" ]
}

@test "bash: values: words, files, directories, or nothing" {
	offers 'act none' llmc-gptq --order ''
	offers 'act' llmc gptq --order a
	offers 'act' llmc gptq --order = a
	offers 'act none' llmc gptq --order =
	offers '--order=none' llmc gptq --order=n
	offers 'cpu ref' llmc-eval ppl -d ''
	offers 'auto bf16 f32' llmc-eval ppl --dtype ''
	offers 'calib.tok' llmc-gptq --calib c
	offers 'calib.tok directory model one.llmc' llmc-eval ppl --tokens ''
	offers 'directory' llmc-pack -o ''
	offers "$(llmc-pack --list | sed 1d | cut -f 1 | sort | paste -sd ' ')" llmc-pack -f ''
	offers '' llmc-gptq --samples ''
	offers '' llmc-gptq --rule ''
}

@test "bash: operands are files, also those like options behind --" {
	touch -- -odd
	offers '-odd calib.tok directory model one.llmc' llmc-info ''
	offers 'model one.llmc' llmc-gptq -w int4 --calib calib.tok m
	offers '-odd' llmc-info -- -
	offers 'calib.tok' llmc info --json c
	# A flag takes no value.
	offers 'calib.tok' llmc-info -j c
}

@test "bash: the script is one that shellcheck has nothing to say about" {
	require cmd shellcheck
	try shellcheck -s bash ../llmc.bash
}

# typed SHELL KEYS: what command is run when these are typed, in printf's spelling, into a shell on a terminal: the name
# and each argument in brackets.  The programs are told apart from the ones that complete, which are the real ones.
typed() {
	local t start
	mkdir -p ../fake
	for t in llmc $(tools); do
		printf '#!/bin/sh\n{ printf "%%s" "%s"; printf " [%%s]" "$@"; echo; } >../said\n' "$t" >"../fake/$t"
	done
	chmod +x ../fake/*
	rm -f ../said
	case $1 in
	bash)
		start='. ../llmc.bash'
		set -- "$2" bash --norc --noprofile -i
		;;
	zsh)
		# shellcheck disable=SC2016     # zsh expands it
		start='fpath=($PWD/.. $fpath); autoload -U compinit; compinit -u -D'
		set -- "$2" zsh -f -i
		;;
	esac
	# shellcheck disable=SC2016,SC2059      # the shell expands it; the keys are in printf's spelling
	{ printf 'PATH=$BATS_TEST_TMPDIR/fake:$PATH; %s\n' "$start"; printf "$1\n"; printf 'exit\n'; } |
		TERM=vt100 timeout 60 script -qec "${*:2}" /dev/null >../terminal 2>&1
	cat ../said || cat -v ../terminal
}
types() {       # types SHELL KEYS WANTED
	local got
	got=$(typed "$1" "$2")
	printf '%s: %s\nran:    %s\nwanted: %s\n' "$1" "$2" "$got" "$3"
	[ "$got" = "$3" ]
}

@test "bash, typed: names are finished, options, words, a file with a space" {
	require cmd script
	types bash 'llmc gp\t --ord\tn\t --cal\tcal\t mod\t' 'llmc [gptq] [--order] [none] [--calib] [calib.tok] [model one.llmc]'
	types bash 'llmc-eval pp\t --dt\tf\t --dev\tr\t -t 1' 'llmc-eval [ppl] [--dtype] [f32] [--device] [ref] [-t] [1]'
	types bash 'llmc-gptq --order=n\t -o mod\t' 'llmc-gptq [--order=none] [-o] [model one.llmc]'
	types bash 'llmc rec\tsw\t' 'llmc [recipe] [sweep]'
}

@test "zsh, typed: the same" {
	require cmd zsh
	require cmd script
	llmc completion zsh >../_llmc
	types zsh 'llmc gp\t --ord\tn\t --cal\tcal\t mod\t' 'llmc [gptq] [--order=none] [--calib=calib.tok] [model one.llmc]'
	types zsh 'llmc-eval pp\t --dt\tf\t --dev\tr\t -t 1' 'llmc-eval [ppl] [--dtype=f32] [--device=ref] [-t] [1]'
	types zsh 'llmc-gptq --order=n\t -o mod\t' 'llmc-gptq [--order=none] [-o] [model one.llmc]'
	types zsh 'llmc rec\tsw\t' 'llmc [recipe] [sweep]'
	types zsh 'llmc eval lo\t --hid\t' 'llmc [eval] [logits] [--hidden]'
	types zsh 'llmc-gptq --rule x --ru\ty cal\t' 'llmc-gptq [--rule] [x] [--rule=y] [calib.tok]'
	types zsh 'llmc help rec\t' 'llmc [help] [recipes]'
}

@test "completion for another shell: status 2" {
	fails 2 'bash or zsh' llmc completion fish
	fails 2 'bash or zsh' llmc completion
	try_sh -5 'llmc completion bash >/dev/full'
}

@test "of a program that is no tool of ours the name is known, and nothing breaks" {
	mkdir ../bin
	cp "$BIN"/llmc "$BIN"/llmc-info ../bin/
	printf '#!/bin/sh\necho "flag\t--x'\''y\t\tquote"; echo "nonsense"; echo "word\t--ok\t\tit'\''s\ta|b"\n' >../bin/llmc-other
	chmod +x ../bin/llmc-other
	cp ../bin/llmc-other "../bin/llmc-o'd d"
	../bin/llmc completion bash >../llmc.bash
	bash -n ../llmc.bash
	offers 'completion help info other recipe' llmc ''
	offers '--ok' llmc-other -
	offers 'a b' llmc other --ok ''
}
