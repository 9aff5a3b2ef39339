package platforms

const exeSuffix = ""

func usualLayout() Layout {
	return Layout{
		Bin:   "/usr/local/limpet/bin",
		Ver:   "/usr/local/limpet/ver",
		State: "/var/db/limpet",
		Etc:   "/usr/local/etc/limpet",
		Log:   "/var/log/limpet",
	}
}
