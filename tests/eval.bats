load helpers

@test "llmc-eval ppl: the demo's perplexity is the one measured independently, row by row" {
	bundle m.llmc
	try llmc-tokenize -m m.llmc --seqlen 512 "$DEMO/eval.txt" -o e.tok
	try llmc-eval ppl --dtype f32 --rows --tokens e.tok -j m.llmc
	about "$(field .ppl)" "$(jq .ppl "$DEMO/reference.json")" 0.0002
	about "$(field '.rows[0] / 511')" "$(jq '.row_nll[0]' "$DEMO/reference.json")" 0.0002
	about "$(field '.rows[94] / 511')" "$(jq '.row_nll[94]' "$DEMO/reference.json")" 0.0002
	[ "$(field .tokens)" -eq $((95 * 511)) ]
	has 'rows of 512'
}

@test "llmc-eval ppl: stories260K agrees with double precision" {
	require shared models/stories260K
	bundle stories.llmc
	try llmc-tokenize -m stories.llmc --add-special yes --seqlen 256 "$SHARED/models/stories260K/eval_text.txt" -o s.tok
	try llmc-eval ppl --dtype f32 --tokens s.tok -j stories.llmc
	about "$(field .ppl)" 4.0653 0.003
}

@test "llmc-eval ppl: the plain reference operators agree with the fast ones" {
	bundle m.llmc eval.tok
	try llmc-eval ppl --samples 2 -d ref --dtype f32 --tokens eval.tok -j m.llmc
	a=$(field .ppl)
	try llmc-eval ppl --samples 2 --dtype f32 --tokens eval.tok -j m.llmc
	about "$(field .ppl)" "$a" 1e-5
	try llmc-eval ppl --samples 2 --dtype bf16 --tokens eval.tok -j m.llmc
	about "$(field .ppl)" "$a" 0.01
}

@test "llmc-eval ppl: any number of threads prints the same digits" {
	bundle m.llmc eval.tok
	try llmc-eval ppl -t 1 --tokens eval.tok -j m.llmc
	a=$output
	try llmc-eval ppl -t 3 --tokens eval.tok -j m.llmc
	[ "$output" = "$a" ]
}

@test "llmc-eval kl: a model does not diverge from itself" {
	bundle m.llmc eval.tok
	try llmc-eval kl --ref m.llmc --samples 4 --tokens eval.tok -j m.llmc
	[ "$(field '.kld == 0 and .top1 == 1 and .kld_p99 == 0')" = true ]
	about "$(field .ppl)" "$(field .ppl_ref)" 0
}

@test "llmc-eval kl: perplexities are those of ppl, and bits order the divergence" {
	bundle m.llmc eval.tok q.llmc
	try llmc-eval ppl --tokens eval.tok -j q.llmc
	p=$(field .ppl)
	try llmc-eval kl --ref m.llmc --tokens eval.tok -j q.llmc
	about "$(field .ppl)" "$p" 1e-9
	k4=$(field .kld)
	try llmc-quant -w int2:g64:asym m.llmc -o q2.llmc
	try llmc-eval kl --ref m.llmc --tokens eval.tok -j q2.llmc
	less "$k4" "$(field .kld)"
	try llmc-eval kl --ref m.llmc --tokens eval.tok q2.llmc
	has 'kld_p99'
}

@test "llmc-eval gen: greedy text of the demo is the reference's" {
	bundle m.llmc
	try llmc-eval gen --dtype f32 --length 8 --prompt 'The' m.llmc
	[ -n "$output" ]
	try llmc-eval gen --dtype f32 --length 8 --ids --prompt 'The' m.llmc
	a=$output
	try_sh 'cat m.llmc | llmc-eval gen --dtype f32 --length 8 --ids --prompt The'
	[ "$output" = "$a" ]
}

@test "llmc-eval gen: stories260K tells the published story" {
	require shared models/stories260K
	bundle stories.llmc
	try llmc-eval gen --dtype f32 --length 30 --prompt 'Once upon a time' stories.llmc
	has 'there was a little girl named Lily. She loved to play outside in the park.'
}

@test "llmc-eval logits: shape, and the perplexity they imply" {
	bundle m.llmc eval.tok
	try llmc-eval logits --samples 2 --hidden --tokens eval.tok -o l.safetensors m.llmc
	try_sh "head -c 400 l.safetensors | tail -c +9 | grep -ao '\"[a-z]*\":{[^}]*}'"
	has '"shape":[5,2,128,256]'
	has '"shape":[2,128,4096]'
}

@test "llmc-eval: misuse is one line and the right status" {
	bundle m.llmc eval.tok
	fails 2 'ppl' llmc-eval
	fails 2 'perplexity' llmc-eval perplexity
	fails 2 '--tokens' llmc-eval ppl m.llmc
	fails 2 '--ref' llmc-eval kl --tokens eval.tok m.llmc
	fails 2 '--prompt' llmc-eval gen m.llmc
	fails 2 'standard input' llmc-eval kl --ref - --tokens eval.tok
	fails 2 'standard input' llmc-eval ppl --tokens - -
	fails 3 'tokens' llmc-eval ppl --tokens eval.tok eval.tok
	head -c 100000 m.llmc > cut.llmc
	fails 3 '' llmc-eval ppl --tokens eval.tok cut.llmc
	fails 3 '' llmc-eval gen --prompt x cut.llmc
	stages 'llmc-eval ppl --samples 1 --tokens eval.tok m.llmc > /dev/full' 5
	fails 5 '' llmc-eval logits --samples 1 --tokens eval.tok -o /nonexistent/l.st m.llmc
}
