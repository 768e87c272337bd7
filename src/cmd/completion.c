#include "base/base.h"
#include "cmd/commands.h"

static const char bash_script[] =
	"# bash completion of data-mill; load it with: source <(data-mill completion bash)\n"
	"_data_mill() {\n"
	"    local IFS=$'\\n' line word\n"
	"    COMPREPLY=()\n"
	"    for line in $(\"${COMP_WORDS[0]}\" __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null); do\n"
	"        word=${line%%$'\\t'*}\n"
	"        case $word in\n"
	"            :file) compopt -o filenames 2>/dev/null\n"
	"                   COMPREPLY+=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]#=}\")) ;;\n"
	"            :folder) compopt -o filenames 2>/dev/null\n"
	"                     COMPREPLY+=($(compgen -d -- \"${COMP_WORDS[COMP_CWORD]#=}\")) ;;\n"
	"            *) COMPREPLY+=(\"$word\") ;;\n"
	"        esac\n"
	"    done\n"
	"}\n"
	"complete -F _data_mill data-mill\n";

static const char zsh_script[] =
	"#compdef data-mill\n"
	"# zsh completion of data-mill; load it with: source <(data-mill completion zsh)\n"
	"_data_mill() {\n"
	"    local -a lines found\n"
	"    local line word text tab=$'\\t'\n"
	"    lines=(\"${(@f)$(${words[1]} __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
	"    for line in $lines; do\n"
	"        case $line in\n"
	"            :file) _files ;;\n"
	"            :folder) _files -/ ;;\n"
	"            '') ;;\n"
	"            *)\n"
	"                word=${line%%$tab*}\n"
	"                text=${line#*$tab}\n"
	"                if [[ $line == *$tab* ]]; then\n"
	"                    found+=(\"${word//:/\\\\:}:$text\")\n"
	"                else\n"
	"                    found+=(\"${word//:/\\\\:}\")\n"
	"                fi ;;\n"
	"        esac\n"
	"    done\n"
	"    (( $#found )) && _describe data-mill found\n"
	"}\n"
	/* found in fpath it is the function itself; sourced it registers one */
	"if [[ ${funcstack[1]} == _data-mill ]]; then\n"
	"    _data_mill \"$@\"\n"
	"elif (( $+functions[compdef] )); then\n"
	"    compdef _data_mill data-mill\n"
	"fi\n";

static const char fish_script[] =
	"# fish completion of data-mill; load it with: data-mill completion fish | source\n"
	"function __data_mill_complete\n"
	"    set -l tokens (commandline -opc)\n"
	"    set -l current (commandline -ct)\n"
	"    for line in ($tokens[1] __complete -- $tokens[2..-1] \"$current\" 2>/dev/null)\n"
	"        switch $line\n"
	"            case :file :folder\n"
	"                __fish_complete_path \"$current\"\n"
	"            case '*'\n"
	"                echo $line\n"
	"        end\n"
	"    end\n"
	"end\n"
	"complete -c data-mill -f -a '(__data_mill_complete)'\n";

const char *mill_completion_script(const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		return bash_script;
	if (strcmp(shell, "zsh") == 0)
		return zsh_script;
	return strcmp(shell, "fish") == 0 ? fish_script : NULL;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	mill_out(mill_completion_script(mill_arg(inv, 0)));
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_completion = {
	.name = "completion",
	.group = "Program",
	.summary = "print a completion script",
	.usage = "bash|zsh|fish",
	.description = "Prints the script that lets a shell complete commands, options and names of data-mill.",
	.examples = "source <(data-mill completion bash)\n"
		    "data-mill completion zsh > \"${fpath[1]}/_data-mill\"\n"
		    "data-mill completion fish > ~/.config/fish/completions/data-mill.fish",
	.choices = "bash|zsh|fish",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};

static int run_complete(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	mill_complete((int)inv->args.n, mill_strv_argv(&inv->args), &out);
	mill_out(out.data);
	return MILL_EXIT_OK;
}

/* What the scripts call. */
const struct mill_command mill_cmd_complete = {
	.name = "__complete",
	.summary = "candidates for the last word",
	.usage = "-- WORD...",
	.max_args = -1,
	.raw_args = true,
	.run = run_complete,
};
